"""The claims: what the paper says, which trainings say whether it holds here, and what is compared.

Data alone. A comparison is of two sides in one figure; the statistics and the verdicts are chorus.evaluate.claims.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from benchmarks.claims.runs import Encoder, Probe, Run
from chorus.names import one_of
from chorus.params import Params
from chorus.probe import POINTS

QUICK = 3  # the steps are divided by it
UNSEEDED = ("lifted", "shipped")  # kinds that no seed changes
SPLATS, POINT = Encoder(), Encoder(variant="points")
SHIPPED, SHIPPED_POINT = Encoder(kind="shipped"), Encoder(kind="shipped", variant="points")
LIFTED = Encoder(kind="lifted")
MASKED, UNTRAINED = Encoder(kind="masked"), Encoder(kind="untrained")
SCRATCH = replace(UNTRAINED, variant="points")
SHARES = (0.05, 0.1, 0.2, 1.0)  # of 24 rooms: 1, 2, 5 and 24; one percent would be the one room once more
ADAPTED = (1, 4, 16)


@dataclass(frozen=True, kw_only=True)
class Side:
    """What is on one side: an encoder, and the probe over it where the figure is a probe's."""

    said: str
    encoder: Encoder
    probe: Probe | None = None

    def run(self, params: Params, *, seed: int, quick: bool) -> Run:
        length = params.distill.steps // (QUICK if quick else 1)
        steps = length
        if self.encoder.kind == "shipped":  # whose training is done: its adaptation takes the usual steps
            steps = params.distill.steps if self.encoder.adapted else 0
        seed = seed if self.seeded else 0
        return Run(encoder=self.encoder, probe=self.probe, seed=seed, steps=steps, probe_steps=length)

    @property
    def seeded(self) -> bool:
        """Whether a seed changes it."""
        return self.encoder.kind not in UNSEEDED or self.probe is not None or self.encoder.adapted > 0


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """ours against other in a measure of a figure: more, or with a margin no less but for so many points."""

    ours: Side
    other: Side
    figure: str  # of the runs' files
    measure: str  # a key of chorus.evaluate.claims.MEASURES
    margin: float | None = None
    other_figure: str | None = None  # where the other side's has another name
    counts: bool = True  # in the claim's verdict; else it is only told


@dataclass(frozen=True, kw_only=True)
class Claim:
    letter: str
    says: str
    paper: str
    comparisons: tuple[Comparison, ...]
    shipped: tuple[Comparison, ...] = ()  # the same asked of the model that ships: its verdict stands beside
    beside: tuple[Side, ...] = ()  # sides that only the table of protocols has
    report: bool = False  # whether the shipped model's own report speaks to it
    tried: str = ""  # what was, where that is not all in the tables


def _compared(ours: Side, other: Side, *figures: tuple[str, str], **rules) -> tuple[Comparison, ...]:
    """rules: margin, counts."""
    return tuple(
        Comparison(ours=ours, other=other, figure=figure, measure=measure, **rules) for figure, measure in figures
    )


ZERO, LINEAR, OBJECTS = ("zero_shot", "f_miou"), ("linear", "miou"), ("objects", "ap25")
STUDENT = Side(said="student", encoder=SPLATS)
LANG = Side(said="language teacher alone", encoder=replace(SPLATS, roles=("lang",)))
PAIR = Side(said="language and generalist teachers", encoder=replace(SPLATS, roles=("lang", "dino")))
MODEL = Side(said="the model that ships", encoder=SHIPPED)
CONTRASTED = Side(said="student, label contrast in training (reads labels)", encoder=replace(SPLATS, labels=True))
TEACHER = Side(said="its lifted labels", encoder=LIFTED)
OWN = Side(said="masked modelling", encoder=MASKED)
FRESH = Side(said="an untrained encoder", encoder=UNTRAINED)
CLOUD, SHIPPED_CLOUD = "points student", "the points model that ships"


def probe_of(said: str, encoder: Encoder, **choices) -> Side:
    """A side that is a probe over an encoder. choices: of the probe."""
    return Side(said=said, encoder=encoder, probe=Probe(**choices))


def _few_labels(said: str, encoder: Encoder) -> Iterable[Comparison]:
    """A frozen encoder's linear probe against a supervised encoder from scratch, by how much is labelled."""
    amounts = [(f"{share:.0%} of rooms", {"rooms": share}) for share in SHARES]
    amounts += [(f"{count} points a room", {"points": count}) for count in POINTS]
    for labelled, amount in amounts:
        ours = probe_of(f"{said}, linear probe, {labelled}", encoder, kind="linear", **amount)
        other = probe_of(f"from scratch, {labelled}", SCRATCH, kind="tune", **amount)
        few = amount != {"rooms": 1.0}
        yield Comparison(ours=ours, other=other, figure="linear", other_figure="tune", measure="miou", counts=few)


def _deeper(said: str, encoder: Encoder) -> Iterable[Comparison]:
    """Decoder over linear, and fine-tuning over decoder, with all labels."""
    kinds = {kind: probe_of(f"{said}, {probe}", encoder, kind=kind) for kind, probe in DEPTHS.items()}
    for more, less in (("decoder", "linear"), ("tune", "decoder")):
        ours, other = kinds[more], kinds[less]
        yield Comparison(ours=ours, other=other, figure=more, other_figure=less, measure="miou", counts=False)


DEPTHS = {"linear": "linear probe", "decoder": "decoder probe", "tune": "fine-tuned"}


def _with(said: str, **changes) -> Side:
    return Side(said=said, encoder=replace(SPLATS, **changes))


def _adaptation(before: Side) -> Iterable[Comparison]:
    """More on the new domain, and no less on the old one, than before."""
    for rooms in ADAPTED:
        after = _adapted(before, f"adapted on {rooms} room{'s' if rooms > 1 else ''}", rooms)
        yield from _compared(after, before, ("second", "f_miou"))
    for rooms in ADAPTED[-1:]:
        yield from _compared(
            _adapted(before, f"adapted on {rooms} rooms, main domain", rooms), before, ZERO, margin=1.0
        )


def _once_more(before: Side) -> Iterable[Comparison]:
    """A further domain after the second: no less on the second than after that alone, and on the main one no less than
    before any."""
    rooms = ADAPTED[-1]
    once = _adapted(before, f"adapted on {rooms} rooms", rooms)
    twice = Side(said=f"{once.said}, then on {rooms} generated", encoder=replace(once.encoder, then=rooms))
    yield from _compared(twice, once, ("second", "f_miou"), margin=1.0)
    yield from _compared(replace(twice, said=f"{twice.said}, main domain"), before, ZERO, margin=1.0)


def _adapted(before: Side, said: str, rooms: int) -> Side:
    return Side(said=f"{before.said} {said}", encoder=replace(before.encoder, adapted=rooms))


CLAIMS: tuple[Claim, ...] = (
    Claim(
        letter="b",
        says="The student is better than the labels it learnt from",
        paper="student beyond its lifted labels; SceneSplat's own zero-shot f-mIoU 28.4 against 29.6 on ScanNet++",
        comparisons=_compared(STUDENT, TEACHER, ZERO, LINEAR, OBJECTS),
        shipped=_compared(MODEL, TEACHER, ZERO, LINEAR, OBJECTS),
        beside=(CONTRASTED,),
        report=True,
        tried="Length and number of rooms are all that was varied",
    ),
    Claim(
        letter="g",
        says="Adapting to a new domain by render-and-distill helps there and forgets nothing",
        paper="+2.7 mIoU (linear probe) from 100 rooms; 8 GB and 0.2 h in place of 1,080 GB and 6.2 h for 800 rooms",
        comparisons=(*_adaptation(STUDENT), *_once_more(STUDENT)),
        shipped=tuple(_adaptation(MODEL)),
        tried="All weights are tuned at the rate of the demo, as many steps in proportion (80 after 300; the demo takes"
        " 240 after 900, and its report has what came of that), the model that ships 240. The domain after the second"
        " are rooms that a program drew; they judge nothing, so what it gains on them is not asked",
    ),
    Claim(
        letter="j",
        says="What we do otherwise costs nothing or helps: a voxel's Gaussians averaged by opacity, not one of them;"
        " targets kept as compact rows; rooms that a program drew",
        paper="released models take one Gaussian a voxel at random, and store targets whole",
        comparisons=(
            *_compared(STUDENT, _with("one Gaussian a voxel", voxel="first"), ZERO, LINEAR),
            *_compared(STUDENT, _with("targets as lifted", exact=True), ZERO, LINEAR, margin=1.0),
            *_compared(_with("student of generated rooms", generated=True), STUDENT, ZERO, LINEAR, margin=1.0),
        ),
        tried="Compact rows are to be no worse than targets as they were lifted but for a point, and as many generated"
        " rooms no worse than designed ones; the probe reads the labels of the designed rooms on both sides",
    ),
    Claim(
        letter="h",
        says="Objects are found again under noise, better than by a self-supervised encoder",
        paper="no number in our notes",
        comparisons=(
            *_compared(STUDENT, OWN, ("retrieval", "r1")),
            *_compared(STUDENT, FRESH, ("retrieval", "r1"), counts=False),
        ),
        tried="Gaussians are moved by 5 cm, features pooled over true objects, centred and compared by cosine among all"
        " objects of the validation rooms. An untrained encoder stands beside: much of this figure takes no learning",
        shipped=(  # told, not counted: the others are not as long in training
            *_compared(MODEL, OWN, ("retrieval", "r1"), counts=False),
            *_compared(MODEL, FRESH, ("retrieval", "r1"), counts=False),
        ),
    ),
    Claim(
        letter="i",
        says="It takes many times fewer rooms than self-supervision for the same probe",
        paper="about forty times fewer; linear probe on ScanNet, ScanNet200, ScanNet++ 75.2, 36.0, 48.8"
        " (Sonata 73.7, 28.8, 40.7)",
        comparisons=(
            *_compared(STUDENT, OWN, LINEAR),
            *(
                comparison
                for share in (0.5, 0.2)
                for comparison in _compared(_with(f"student, {share:.0%} of rooms", rooms=share), OWN, LINEAR)
            ),
            *_compared(OWN, FRESH, LINEAR, counts=False),
        ),
        tried="Hidden blocks of 0.5 m, 60 % of them, whose Gaussians are to be told; what it adds to an untrained"
        " encoder stands beside",
    ),
    Claim(
        letter="d",
        says="The object teacher had better join late",
        paper="from the start it hurts; late 29.4 -> 29.6",
        comparisons=_compared(STUDENT, _with("from the start", late=False), ZERO, LINEAR, OBJECTS),
    ),
    Claim(
        letter="a",
        says="Every further teacher helps: language, then the generalist, then the object-aware one",
        paper="zero-shot f-mIoU on ScanNet++ 27.1, 29.4, 29.6",
        comparisons=(*_compared(PAIR, LANG, ZERO, LINEAR, OBJECTS), *_compared(STUDENT, PAIR, ZERO, LINEAR, OBJECTS)),
    ),
    Claim(
        letter="c",
        says="PHI-S is what lets teachers share equal weights",
        paper="no number in our notes",
        comparisons=(
            *_compared(STUDENT, _with("no standardisation", standard="none"), ZERO, LINEAR),
            *_compared(STUDENT, _with("each channel by itself", standard="channels"), ZERO, LINEAR),
        ),
    ),
    Claim(
        letter="e",
        says="Augmentation that knows splats beats none, and point jitter with dropout",
        paper="no number in our notes",
        comparisons=(
            *_compared(STUDENT, _with("moves alone", augmentation="rigid"), ZERO, LINEAR),
            *_compared(STUDENT, _with("jitter and dropout", augmentation="points"), ZERO, LINEAR),
        ),
    ),
    Claim(
        letter="f",
        says="With few labels a pretrained point encoder beats one supervised from scratch",
        paper="1, 5, 10, 20 % of rooms, 20 to 200 points a room; no number in our notes",
        comparisons=(*_few_labels(CLOUD, POINT), *_deeper(CLOUD, POINT)),
        shipped=(*_few_labels(SHIPPED_CLOUD, SHIPPED_POINT), *_deeper(SHIPPED_CLOUD, SHIPPED_POINT)),
    ),
)


def chosen(letters: Sequence[str]) -> list[Claim]:
    """The claims of these letters, in their order; all of them when there is none. Raises InputError for another."""
    known = {claim.letter: claim for claim in CLAIMS}
    return [known[one_of(letter, known, "claims")] for letter in letters] or list(CLAIMS)


def runs_of(claims: Sequence[Claim], params: Params, *, quick: bool, seeds: Sequence[int]) -> list[Run]:
    """All runs the claims compare, each once: by claim, trainings of its own before what is asked of the model that
    ships, then by seed; what stands beside in tables alone comes last."""
    found: dict[Run, None] = {}
    parts = [sides_of(part) for claim in claims for part in (claim.comparisons, claim.shipped)]
    for sides in [*parts, [side for claim in claims for side in claim.beside]]:
        found |= dict.fromkeys(side.run(params, seed=seed, quick=quick) for seed in seeds for side in sides)
    return list(found)


def sides_of(comparisons: Sequence[Comparison]) -> list[Side]:
    """Both sides of all of them, each once."""
    return list(dict.fromkeys(side for one in comparisons for side in (one.ours, one.other)))
