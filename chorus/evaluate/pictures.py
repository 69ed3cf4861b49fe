"""Pictures of a test room: as it looks, its features as colours, and labels on it."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from chorus.evaluate import zero_shot
from chorus.evaluate.inputs import ReportInputs, Room
from chorus.evaluate.points import truth_of
from chorus.evaluate.tasks import REACH
from chorus.view import render
from chorus.view.colors import label_colors, palette, pca_colors


def room_pictures(room: Room, inputs: ReportInputs) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """(caption, from above, from inside) of a room: colour, features, true and predicted labels; none without
    Gaussians."""
    scene = room.gaussians
    if scene is None:
        return []
    centers = scene.means.detach().cpu().numpy()
    truth, _ = truth_of(centers, room.truth, reach=2 * REACH)
    words, maps = [], []
    for method, caption in (("student", "student"), ("lifted", "lifted teacher")):
        field = room.fields.get(method)
        if field is not None and field.lang is not None and len(field.positions) == len(scene):
            labels = zero_shot.classify(field.lang, inputs.text, field.speaks)
            words.append((f"{caption}: nearest word", label_colors(labels, inputs.names)))
            maps.append((f"{caption}: features (PCA)", pca_colors(field.lang, field.speaks)))
    layers = [
        ("color", scene.rgb.detach().cpu().numpy()),
        ("ground truth", label_colors(truth, inputs.names)),
        *words,
        *maps,
    ]
    inside = render.best_view(room.capture) if room.capture is not None else None
    return [(caption, *render.views(scene, rgb, inside=inside)) for caption, rgb in layers]


def names_shown(room: Room, inputs: ReportInputs) -> list[tuple[str, str]]:
    """(name, #rrggbb) of the classes to explain below a room's pictures: those in its truth or in a prediction of
    note."""
    ids = set(np.unique(room.truth.semantic[room.truth.semantic >= 0]).tolist())
    for method in ("student", "lifted"):
        field = room.fields.get(method)
        if field is not None and field.lang is not None:
            count = np.bincount(
                zero_shot.classify(field.lang, inputs.text, field.speaks) + 1, minlength=len(inputs.names) + 1
            )[1:]
            ids |= set(np.flatnonzero(count > 0.01 * count.sum()).tolist())
    colors = (palette(inputs.names) * 255 + 0.5).astype(int)
    return [(inputs.names[i], "#{:02x}{:02x}{:02x}".format(*colors[i])) for i in sorted(ids)]


def png(picture: np.ndarray) -> bytes:
    """A picture [H, W, 3|4] uint8 as PNG bytes."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "png", compress_level=6)
    return stream.getvalue()


def inline(data: bytes) -> str:
    """PNG bytes as a data: address that needs no other file."""
    return "data:image/png;base64," + base64.b64encode(data).decode()


def thumbnail(source: Path | bytes, *, side: int = 1200) -> bytes:
    """A PNG file or its bytes, scaled down to a longer side of ``side`` pixels, as PNG bytes (256 colours: contact
    sheets are big)."""
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
        image = image.convert("RGB")
        image.thumbnail((side, side))
        stream = io.BytesIO()
        image.quantize(256, dither=Image.Dither.NONE).save(stream, "png", compress_level=9)
    return stream.getvalue()
