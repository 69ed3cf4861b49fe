"""The teachers' report: numbers on held-out rooms and one picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from chorus.capture import Capture
from chorus.errors import InputError
from chorus.teachers.base import Role, Teacher, language_of
from chorus.teachers.embedded.evaluate2d import LabelledViews, evaluate_teachers, feature_maps
from chorus.teachers.pictures import class_colors, contact_sheet, principal_colors
from chorus.text import prompt


def report_teachers(
    teachers: dict[Role, Teacher],
    captures: list[Capture],
    *,
    withheld: tuple[str, ...],
    renders: list[np.ndarray] | None = None,
    picture: Path | None = None,
) -> dict:
    """Scores of every teacher on labelled rooms, which should be held out, and the contact sheet when ``picture`` is
    given.

    renders: per capture, uint8 [V, H, W, 3] the teachers look at instead of the capture's own images (the Gaussians'
    renders of the same views). Raises InputError for a room without labels.
    """
    if not captures:
        raise InputError("teachers' report", expected="at least one labelled room", got="none")
    for number, capture in enumerate(captures):
        if capture.semantic is None or capture.instance is None:
            raise InputError(f"teachers' report, room {number}", expected="semantic and instance labels", got="none")
    rooms = [
        LabelledViews.of(capture, images)
        for capture, images in zip(captures, renders or [None] * len(captures), strict=True)
    ]
    if picture is not None:
        draw_teachers(teachers, rooms, picture)
    return {
        "rooms": len(rooms),
        "views": sum(len(room.images) for room in rooms),
        **evaluate_teachers(teachers, rooms, withheld=withheld),
    }


def draw_teachers(teachers: dict[Role, Teacher], rooms: list[LabelledViews], path: Path, *, most: int = 8) -> None:
    """One view of each of up to ``most`` rooms: image, labels, the words' guess, and three principal components of
    every teacher."""
    chosen = rooms[:most]
    picks = [
        int((room.instance.flatten(1).diff(dim=1) != 0).sum(dim=1).argmax()) for room in chosen
    ]  # the busiest view
    images = torch.stack([room.images[i] for room, i in zip(chosen, picks, strict=True)])
    truth = torch.stack([room.semantic[i] for room, i in zip(chosen, picks, strict=True)]).numpy()
    names, colors = rooms[0].names, class_colors(len(rooms[0].names))
    maps = {role: feature_maps(teacher, images) for role, teacher in teachers.items()}
    cosines = maps["lang"] @ language_of(teachers).text([prompt(name) for name in names[1:]]).T
    large = F.interpolate(cosines.permute(0, 3, 1, 2), truth.shape[1:], mode="bilinear", align_corners=False)
    guess = large.argmax(dim=1).numpy() + 1
    columns = {
        "image": (images * 255).round().byte().numpy(),
        "labels": colors[truth],
        "lang: nearest word": colors[guess],
    }
    columns |= {f"{role}: principal components": principal_colors(feature) for role, feature in maps.items()}
    shown = np.unique(np.concatenate([truth.ravel(), guess.ravel()]))
    contact_sheet(columns, path, legend={names[i]: colors[i] for i in shown})
