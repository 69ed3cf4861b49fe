"""What the numbers show and what they do not, worked out from the numbers themselves."""

from __future__ import annotations

FEW_POINTS = 500
FEW_ROOMS = 10
LISTED = 12  # names; more are counted


def sentences(report: dict) -> list[str]:
    """Plain sentences on the limits of this very report: sample sizes, absent classes, withheld names, intervals that
    touch zero."""
    data, classes = report["data"], report["per_class"]
    present = {name: row["count"] for name, row in classes.items() if row["count"]}
    few = [name for name, points in present.items() if points < FEW_POINTS]
    absent = [name for name in classes if name not in present]
    out = [
        _sample(data),
        f"One random seed ({data['seed']}): how much another training run would differ is not in these intervals.",
        "The homes are designed by people but rendered by one program: light, sensor noise and furniture meshes "
        "are simpler than in a photographed home.",
        *furniture(data),
    ]
    if few:
        out.append(f"Rest on fewer than {FEW_POINTS} points each, so that one object decides them: {listed(few)}.")
    if absent:
        out.append(f"Never occur in the {split(data)} rooms, though they are candidates everywhere: {listed(absent)}.")
    out += _withheld(report, present)
    out += uncertain(report)
    ceiling = report["zero_shot_ceiling"]["f_miou"]
    if ceiling is not None:
        out.append(
            f"With the true name on every Gaussian the vote would reach {ceiling:.1f} % f-mIoU over all names: what "
            f"is missing to 100 is geometry, not words."
        )
    out.append(labels(data))
    return out + against_teacher(report)


def split(data: dict) -> str:
    """The test's split in words."""
    return data["split"].replace("_", "-")


def learnt(data: dict) -> str:
    """Where the names come from: the first thing a table says."""
    if data["family"] == "embedded":
        return "The names were learnt from labelled renders of the training homes."
    return "The names are the foundation language teacher's own: no label of these homes taught them."


def labels(data: dict) -> str:
    """Which labels were read where."""
    probe = "by the linear probe, of the training rooms (that is what a probe is)"
    rest = "The encoder and its adaptation read none."
    if data["family"] != "embedded":
        return f"Labels were read in one place: {probe}. {rest}"
    return (
        f"Labels were read in two places: {probe}, and by the embedded teachers' own training, of renders of the "
        f"training homes, the second domain's training rooms among them. {rest}"
    )


def furniture(data: dict) -> list[str]:
    """Whether furniture was seen before, in either domain."""
    rooms = {"models": f"{split(data)} rooms", "adaptation_models": f"{split(data)} rooms of the second domain"}
    out = [text for key, where in rooms.items() for text in _models(data[key], where)]
    if data["split"] == "validation":
        out.append("Validation rooms are furnished from the training rooms' libraries: new homes, known furniture.")
    return out


def _sample(data: dict) -> str:
    homes, few = len(data["homes"]), len(data["rooms"]) < FEW_ROOMS
    text = f"All figures come from {count(len(data['rooms']), 'room')} of {count(homes, 'home')}"
    if homes < 2:
        return f"{text}. There is no interval: intervals draw homes anew, and one home says nothing of others."
    drawn = f"the intervals draw homes anew, and rooms within them, {data['draws']:,} times"
    if few:
        return f"{text} - too few for fine differences; {drawn} and say how much that matters."
    return f"{text}; {drawn}."


def _models(models: dict, where: str) -> list[str]:
    if not models["models"]:
        return []
    of = f"of the {count(models['models'], 'furniture model')} in {where}"
    if not models["shared"]:
        return [f"None {of} was drawn in a room trained on."]
    share = 100 * models["shared_items"] / models["items"]
    names = listed([name.rpartition("/")[2] for name in models["shared"]])
    return [
        f"{len(models['shared'])} {of} were drawn in rooms trained on too, {share:.0f} % of all items there: {names}."
    ]


def _withheld(report: dict, present: dict) -> list[str]:
    data = report["data"]
    out, names = [], data["withheld"]
    if names:
        shown = [name for name in names if name in present]
        where = f"in the {split(data)} rooms: {listed(shown)}" if shown else f"none occurs in the {split(data)} rooms"
        text = f"Names withheld from the language teacher's training: {listed(names)}; {where}."
        score = report["zero_shot_withheld"]["lifted"]["f_miou"]
        if score is not None and score < 5:
            text += (
                " The teacher itself hardly knows them, so the student cannot: open vocabulary beyond the "
                "trained names is not shown here."
            )
        out.append(text)
    never = [name for name in data["names"] if name not in data["taught"] and name not in names]
    if never:
        out.append(f"Never labelled in a room trained on, so counted among all names alone: {listed(never)}.")
    return out


def against_teacher(report: dict) -> list[str]:
    """How the student stands to what taught it."""
    table = report["zero_shot"]
    student, lifted = table["student"]["f_miou"], table["lifted"]["f_miou"]
    interval = table.get("student_minus_lifted_interval")
    if student is None or lifted is None or not interval or None in interval:
        return []
    low, high = interval
    return [
        f"Over the names it was taught the student lies {student - lifted:+.1f} points of f-mIoU (95 % [{low:+.1f}, "
        f"{high:+.1f}]) from the lifted teacher, which needs images of the very room."
    ]


def uncertain(report: dict) -> list[str]:
    """Claims whose interval holds zero."""
    claims = {
        "that Gaussians beat points": report["zero_shot"].get("student_minus_points_interval"),
        "that adaptation helps": report["adaptation"].get("gain", {}).get("f_miou_interval"),
    }
    doubtful = [claim for claim, interval in claims.items() if interval and _holds_zero(interval)]
    return [f"Not settled by these rooms (the interval holds zero): {listed(doubtful)}."] if doubtful else []


def _holds_zero(interval: list[float | None]) -> bool:
    low, high = interval
    return low is not None and high is not None and low <= 0 <= high


def count(number: int, noun: str) -> str:
    """A number and its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(words: list[str]) -> str:
    """Words as a sentence lists them, no more than LISTED of them by name."""
    if len(words) > LISTED:
        words = [*words[: LISTED - 1], f"{len(words) - LISTED + 1} more"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
