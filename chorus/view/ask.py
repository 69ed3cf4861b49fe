"""From words and a model to answers on paper: a table, a heat map, a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from chorus.axes import is_own
from chorus.cameras import Cameras
from chorus.capture import Capture
from chorus.errors import InputError
from chorus.io import write_scene
from chorus.scene import GaussianScene
from chorus.store import atomic_file
from chorus.text import prompt
from chorus.view import query, render
from chorus.view.phrase import color_share, parse
from chorus.view.ruler import draw_ruler
from chorus.view.vocabulary import vocabulary_of

NEAR = 0.15  # of the room's diagonal: how far "by" reaches
NEAR_OBJECTS = 3  # that "by the window" may mean


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a scene answers to one text."""

    words: str
    scene: GaussianScene
    score: np.ndarray  # [N] in 0..1
    objects: list[query.Found]


class Search:
    """A scene encoded once, to be asked many times.

    encoder: as chorus.load gives it, with a language head. Raises InputError for a model that has no words.
    """

    def __init__(self, scene: GaussianScene, encoder):
        self.scene, self._encoder = scene, encoder
        self._features = query.unit(encoder.encode(scene, outputs=("lang",)).lang.float().cpu().numpy())
        vocabulary = vocabulary_of(encoder.config.text)
        self._held, self._elsewhere = self._embedded(vocabulary.held), self._embedded(vocabulary.elsewhere)

    def ask(self, words: str, *, top: int = 5) -> Answer:
        """The objects that fit the words best: a name, everyday words, a color, "by the window", "not an armchair"."""
        phrase = parse(words)
        score = self._relevance(phrase.what)
        if phrase.without is not None:
            score = score * (1.0 - self._relevance(phrase.without))
        if phrase.color is not None:
            score = score * color_share(self.scene.rgb.detach().cpu().numpy(), phrase.color)
        if phrase.near is not None:
            score = score * self._nearness(phrase.near)
        return Answer(words=words, scene=self.scene, score=score, objects=query.objects(self.scene, score, top=top))

    def _relevance(self, words: str) -> np.ndarray:
        return query.relevance(self._features, self._embedded([words])[0], self._held, self._elsewhere)

    def _nearness(self, words: str) -> np.ndarray:
        """[N] in 0..1: 1 on the objects that these words find, falling with the distance from them."""
        from scipy.spatial import cKDTree  # here: most questions need none of it

        means = self.scene.means.detach().cpu().numpy().astype(np.float64)
        rows = [found.rows for found in query.objects(self.scene, self._relevance(words), top=NEAR_OBJECTS)]
        if not rows:
            return np.zeros(len(means))
        distance, _ = cKDTree(means[np.concatenate(rows)]).query(means)
        low, high = np.percentile(means, [2, 98], axis=0)
        return np.exp(-((distance / (NEAR * np.linalg.norm((high - low)[:2]))) ** 2))

    def _embedded(self, words: Sequence[str]) -> np.ndarray:
        """[T, C] of unit length."""
        if not words:
            return np.zeros((0, self._features.shape[1]), np.float32)
        return query.unit(self._encoder.text([prompt(text) for text in words]).float().cpu().numpy())


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
