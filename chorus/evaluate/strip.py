"""One picture for a front page: a test room from above and from inside, as it is and as the models name it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from chorus.errors import MissingError

COLUMNS = (  # caption on the strip, and in the names of a report's plots
    ("rendered Gaussians", "color"),
    ("truth", "ground_truth"),
    ("lifted teacher", "lifted_teacher_nearest_word"),
    ("student", "student_nearest_word"),
    ("student's features (PCA)", "student_features_pca"),
)
WIDTH, GAP, CAPTION = 300, 6, 34  # pixels


def strip(plots: Path, room: str) -> Image.Image:
    """The pictures of a room side by side, from above over from inside. Raises MissingError when one is not there."""
    columns = [[_scaled(plots / f"{room}_{name}_{side}.png") for side in ("above", "inside")] for _, name in COLUMNS]
    heights = [max(column[row].height for column in columns) for row in (0, 1)]
    size = (len(COLUMNS) * (WIDTH + GAP) - GAP, CAPTION + sum(heights) + GAP)
    whole = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(18)
    for i, ((caption, _), (above, inside)) in enumerate(zip(COLUMNS, columns, strict=True)):
        left = i * (WIDTH + GAP)
        draw.text((left + WIDTH / 2, CAPTION / 2), caption, fill="black", font=font, anchor="mm")
        whole.paste(above, (left, CAPTION))
        whole.paste(inside, (left, CAPTION + heights[0] + GAP))
    return whole


def richest(plots: Path) -> str:
    """Of the rooms a report has pictures of, the one whose true labels, from above, show the most names. Raises
    MissingError when there is none."""
    tail = "_ground_truth_above.png"
    rooms = sorted(path.name.removesuffix(tail) for path in Path(plots).glob(f"*{tail}"))
    if not rooms:
        raise MissingError(plots, expected="pictures of a room", got="none", fix="Make the report again.")
    return max(rooms, key=lambda room: _names(plots / f"{room}{tail}"))


def _names(path: Path) -> int:
    """Colours that fill more than a thousandth of a picture."""
    _, counts = np.unique(np.array(_open(path)).reshape(-1, 3), axis=0, return_counts=True)
    return int((counts > counts.sum() / 1000).sum())


def _scaled(path: Path) -> Image.Image:
    image = _open(path)
    return image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA")).convert("RGB")
    except OSError as error:
        raise MissingError(path, expected="a picture of the report", got=error, fix="Make the report again.") from error
