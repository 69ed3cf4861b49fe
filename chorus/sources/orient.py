"""Splats of any file in the frame the encoder reads: z up, metres as far as anything tells."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from chorus.axes import meters_of, said, turn_up, up_vector
from chorus.errors import InputError
from chorus.frames import Known
from chorus.moving import move
from chorus.scene import GaussianScene
from chorus.sources.gravity import SOLID, Height, find_up, room_height


class _Room(NamedTuple):
    """Of a kind of room: its likeliest height; what leaves a unit as it is; what speaks for a unit with a name;
    metres; and the relative standard deviation of its height."""

    height: float
    kept: tuple[float, float]
    likely: tuple[float, float]
    spread: float


_WHOLE = _Room(2.5, (1.9, 4.5), (2.2, 3.2), 0.2)
_OPEN = _Room(2.0, (1.2, 4.5), (1.4, 3.2), 0.35)  # no ceiling seen: people film the walls to somewhere above their eyes
_NAMED = ("mm", "cm")
_WIDE, _USUAL = (0.5, 200.0), 5.0  # units a scene without floor and ceiling may span, and what it is brought to else

_SURE = 0.7  # probability below which an estimated up is to be looked at

_log = logging.getLogger("chorus.frame")


def orient(
    scene: GaussianScene,
    *,
    up: str | None = None,
    scale: float | None = None,
    unit: str | None = None,
    where: object = "scene",
) -> GaussianScene:
    """The scene with z up and in metres; its frame says what was done and how sure it is, and so does the log.

    up: the file's up, x -x y -y z or -z, or keep for z as it is; when None what the file declares, else what gravity
    and custom make likeliest. scale: metres of one unit of the file, or unit: its name; when None what the file
    declares, else from the height of the room: unknown where there is none. Raises InputError for other values.
    """
    found = _scaled(_turned(scene, up), scale, unit)
    _log.info("%s: %s", where, "; ".join([said(found.frame), *found.report.notes[len(scene.report.notes) :]]))
    return found


def _turned(scene: GaussianScene, up: str | None) -> GaussianScene:
    known: Known = "given"
    if up is not None:
        direction, known = up_vector("z" if up == "keep" else up), "kept" if up == "keep" else "given"
    elif scene.report.up is not None:
        direction, known = np.array(scene.report.up), "file"
    else:
        direction, probability = find_up(scene)
        known = "estimated" if probability else "assumed"
        if 0 < probability < _SURE:
            note = f"which way is up is not sure ({probability:.0%}): look at it (chorus show), or say --up"
            scene = replace(scene, report=replace(scene.report, notes=(*scene.report.notes, note)))
    return move(scene, turn=turn_up(direction), up=known)


def _scaled(scene: GaussianScene, scale: float | None, unit: str | None) -> GaussianScene:
    if scale is not None and unit is not None:
        raise InputError("--scale", expected="--scale or --unit", got="both")
    if unit is not None:
        return move(scene, scale=meters_of(unit), unit="m", unit_known="given")
    if scale is not None:
        if not (np.isfinite(scale) and scale > 0):
            raise InputError("--scale", expected="metres of one unit, above 0", got=scale)
        return move(scene, scale=float(scale), unit="m", unit_known="given")
    if scene.report.unit is not None:
        return move(scene, scale=scene.report.unit, unit="m", unit_known="file")
    solid = scene.means[scene.opacities > SOLID].double().numpy()
    height = room_height(solid) if len(solid) > 200 else None
    if height is None or scene.frame.up == "assumed":
        return move(scene, scale=_spanning(scene), unit="unknown", unit_known="assumed")
    return move(
        scene,
        scale=meters_per_unit(height),
        unit="m",
        unit_known="estimated",
        unit_error=(_WHOLE if height.ceiling else _OPEN).spread,
    )


def meters_per_unit(height: Height) -> float:
    """Of a room of this height: 1 where that is one in metres, else a unit with a name that makes it likely, else what
    makes it the likeliest."""
    room = _WHOLE if height.ceiling else _OPEN
    if room.kept[0] <= height.value <= room.kept[1]:
        return 1.0
    named = [meters for meters in map(meters_of, _NAMED) if room.likely[0] <= height.value * meters <= room.likely[1]]
    return named[0] if named else room.height / height.value


def _spanning(scene: GaussianScene) -> float:
    low, high = np.percentile(scene.means.numpy(), [1, 99], axis=0)
    span = float((high - low).max())
    return 1.0 if span == 0 or _WIDE[0] <= span <= _WIDE[1] else _USUAL / span
