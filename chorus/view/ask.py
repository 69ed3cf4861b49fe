"""From words and a model to answers on paper: a table, a heat map, a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from chorus.axes import is_own
from chorus.cameras import Cameras
from chorus.capture import Capture
from chorus.errors import InputError
from chorus.io import write_scene
from chorus.scene import GaussianScene
from chorus.store import atomic_file
from chorus.text import prompt
from chorus.view import query, render
from chorus.view.clusters import spacing
from chorus.view.phrase import color_share, parse
from chorus.view.ruler import draw_ruler
from chorus.view.shared import SharedFeatures
from chorus.view.vocabulary import HELD, Vocabulary, vocabulary_of

NEAR = 0.15  # of the room's diagonal: how far "by" reaches
_BLOCK = 16_384  # features whose shares are worked out at once
NEAR_OBJECTS = 3  # that "by the window" may mean


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a scene answers to one text."""

    words: str
    scene: GaussianScene
    score: np.ndarray  # [N] in 0..1
    objects: list[query.Found]


class Search:
    """A scene whose Gaussians have language features, to be asked many times.

    shared: their features, of unit length; contrast: what questions are told apart from; faint: the score under which
    nothing is called an object.
    """

    def __init__(
        self,
        scene: GaussianScene,
        features: Tensor | SharedFeatures,
        *,
        text: Callable[[list[str]], Tensor],
        vocabulary: Vocabulary,
    ):
        """features: [N, C]; text: T prompts to [T, C] in the features' space; vocabulary: what questions in it are
        understood against."""
        self.scene, self._text = scene, text
        self.shared = features if isinstance(features, SharedFeatures) else SharedFeatures.made(features)
        self.contrast = self._contrast(vocabulary)
        self.faint = query.CERTAIN if vocabulary.anything else query.FAINT

    @classmethod
    def of(cls, scene: GaussianScene, encoder) -> Search:
        """The scene as a model sees it. encoder: as chorus.load gives it. Raises InputError for one without words."""
        return cls(
            scene, SharedFeatures.of(encoder, scene), text=encoder.text, vocabulary=vocabulary_of(encoder.config.text)
        )

    @property
    def features(self) -> np.ndarray:
        """[N, C] of unit length, made anew: large where the scene is."""
        return self.shared[:]

    def ask(self, words: str, *, top: int = 5) -> Answer:
        """The objects that fit the words best: a name, everyday words, a color, "by the window", "not an armchair"."""
        phrase = parse(words)
        score = self._relevance(phrase.what)
        if phrase.without is not None:
            score = score * (1.0 - self._relevance(phrase.without))
        if phrase.color is not None:
            score = score * color_share(self.scene.rgb.detach().cpu().numpy(), phrase.color)
        if phrase.near is not None:
            score = score * self._nearness(phrase.near, among=score >= 0.5 * self.faint)
        return Answer(words=words, scene=self.scene, score=score, objects=self._objects(score, top))

    def names(self, row: int) -> list[tuple[str, float]]:
        """What a Gaussian may be among the names of what rooms hold, each with its share, best first."""
        share = query.shares(self.shared[row : row + 1], self._named)[0]
        return [(HELD[i], float(share[i])) for i in np.argsort(-share)]

    def embedded(self, words: Sequence[str]) -> np.ndarray:
        """[T, C] of unit length, as :func:`chorus.text.prompt` words them."""
        if not words:
            return np.zeros((0, self.shared.rows.shape[1]), np.float32)
        return query.unit(self._text([prompt(text) for text in words]).float().cpu().numpy())

    def named(self) -> tuple[np.ndarray, np.ndarray]:
        """What every Gaussian may be among the names of what rooms hold: [N] the best, a row of HELD, and its share."""
        rows = self.shared.rows
        shares = (query.shares(rows[at : at + _BLOCK], self._named) for at in range(0, len(rows), _BLOCK))
        likeliest = [(share.argmax(axis=1), share.max(axis=1)) for share in shares]
        best, score = (self.shared.each(np.concatenate(parts)) for parts in zip(*likeliest, strict=True))
        return best, score

    def _contrast(self, vocabulary: Vocabulary) -> query.Contrast:
        before = vocabulary.embedded
        if before is not None and before.shape[1] == self.shared.rows.shape[1]:
            held, called, elsewhere = np.split(before, np.cumsum([len(vocabulary.held)] * 2))
            return query.Contrast(held, called, elsewhere, anything=before[:0])
        middles = [self.embedded(called).mean(axis=0) for called in vocabulary.held]
        return query.Contrast(
            held=self.embedded([sentences[0] for sentences in vocabulary.held]),
            called=query.unit(np.array(middles, np.float32).reshape(len(middles), self.shared.rows.shape[1])),
            elsewhere=self.embedded(vocabulary.elsewhere),
            anything=self.embedded(vocabulary.anything),
        )

    @cached_property
    def _named(self) -> np.ndarray:
        """[H, C] of the names in HELD."""
        return self.contrast.held if len(self.contrast.held) == len(HELD) else self.embedded(HELD)

    def _relevance(self, words: str) -> np.ndarray:
        score = query.relevance(self.shared.rows, self.embedded([words])[0], contrast=self.contrast)
        return self.shared.each(score)

    def _objects(self, score: np.ndarray, top: int) -> list[query.Found]:
        return query.objects(self.scene, score, top=top, faint=self.faint, gap=self.gap)

    @cached_property
    def gap(self) -> float:
        """Over which groups of Gaussians join, m: of the scene, not of the question."""
        return 2.0 * spacing(self.scene.means.detach().cpu().numpy().astype(np.float64))

    def _nearness(self, words: str, *, among: np.ndarray) -> np.ndarray:
        """[N] in 0..1: 1 on the objects that these words find, falling with the distance from them; 0 where it has
        fallen to a ten-thousandth, and beside ``among`` [N] bool, the rows that may answer at all."""
        from scipy.spatial import cKDTree  # here: most questions need none of it

        means = self.scene.means.detach().cpu().numpy().astype(np.float64)
        rows = [found.rows for found in self._objects(self._relevance(words), NEAR_OBJECTS)]
        if not rows:
            return np.zeros(len(means))
        low, high = np.percentile(means, [2, 98], axis=0)
        reach = NEAR * float(np.linalg.norm((high - low)[:2]))
        share = np.zeros(len(means))
        distance, _ = cKDTree(means[np.concatenate(rows)]).query(means[among], distance_upper_bound=3.0 * reach)
        share[among] = np.exp(-((distance / reach) ** 2))
        return share


def table(answer: Answer, *, unit: str = "m") -> str:
    """The objects of an answer as lines of text: where they are in the coordinates of the scene's file, how large they
    are in the unit given."""
    frame = answer.scene.frame
    place = f"position ({unit if is_own(frame) else 'of the file'})"
    if not answer.objects:
        return f'"{answer.words}": nothing answers (best score {answer.score.max():.2f})'
    lines = [f'"{answer.words}"', f"  {'score':>5}  {place:^22}  {'extent (' + unit + ')':^18}  {'Gaussians':>9}"]
    for found in answer.objects:
        where = "  ".join(f"{x:6.2f}" for x in frame.to_file(found.position))
        size = " x ".join(f"{x:4.2f}" for x in found.extent)
        lines.append(f"  {found.score:5.2f}  {where:^22}  {size:^18}  {len(found.rows):9d}")
    return "\n".join(lines)


def save(answer: Answer, folder: Path, *, name: str, capture: Capture | None = None) -> list[Path]:
    """Write <name>-<words>.ply, the scene coloured by score, and its picture; returns both paths.

    capture: where the picture from inside is taken from, at the view that shows the best object.
    """
    slug = "".join(c if c.isalnum() else "-" for c in answer.words.lower()).strip("-")
    if not slug:
        raise InputError("query", expected="letters or digits in the words", got=repr(answer.words))
    colors = query.heat(answer.scene, answer.score)
    ply, png = (Path(folder) / f"{name}-{slug}{suffix}" for suffix in (".ply", ".png"))
    inside = None
    if capture is not None:
        places = answer.scene.means[answer.objects[0].rows].numpy() if answer.objects else None
        inside = render.best_view(capture) if places is None else render.view_of(capture, places)
    Path(folder).mkdir(parents=True, exist_ok=True)
    write_scene(ply, render.recolored(answer.scene, colors))
    save_views(png, answer.scene, colors, inside=inside)
    return [ply, png]


def save_views(
    path: Path,
    scene: GaussianScene,
    rgb: np.ndarray,
    *,
    inside: Cameras | None = None,
    width: int = 640,
    height: int = 480,
) -> None:
    """A PNG: from above with the ceiling off and a ruler in the scene's unit, and from inside, side by side on white.
    rgb: [N, 3] in 0..1."""
    pair = [_on_white(picture) for picture in render.views(scene, rgb, inside=inside, width=width, height=height)]
    low, high = render.bounds(scene)
    above = render.camera_above(scene, width=width, height=height)
    pair[0] = draw_ruler(pair[0], above, height=float(low[2] + high[2]) / 2, frame=scene.frame)
    gap = np.full((height, 8, 3), 255, np.uint8)
    with atomic_file(Path(path)) as temporary:
        Image.fromarray(np.concatenate([pair[0], gap, pair[1]], axis=1)).save(temporary, compress_level=1)


def _on_white(picture: np.ndarray) -> np.ndarray:
    """[H, W, 4] -> [H, W, 3] uint8."""
    color, alpha = picture[..., :3].astype(np.float32), picture[..., 3:].astype(np.float32) / 255.0
    return (color * alpha + 255.0 * (1.0 - alpha) + 0.5).astype(np.uint8)
