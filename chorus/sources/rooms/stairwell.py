"""The opening above stairs: a corner cut out of the ceiling, with a shaft up to where the next floor would be."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from chorus.sources.rooms.space import Placed, Space
from chorus.sources.sweethome3d.classes import CLASS_ID
from chorus.sources.sweethome3d.finishes import Finish
from chorus.sources.sweethome3d.home_xml import Room
from chorus.sources.sweethome3d.mesh import SoupBuilder, quads

ABOVE = 0.25  # m of shaft over the stairs' top
CEILING_INDEX = 1000  # of the room that is nothing but the ceiling with the corner cut out
_BESIDE = 0.08  # m of opening beside the stairs


@dataclass(frozen=True, kw_only=True)
class Stairwell:
    """A rectangle in a corner of a room."""

    corner: int  # of the outline
    plan: np.ndarray  # [4, 2] counter-clockwise from that corner, m
    low: float  # the ceiling's height
    high: float  # the shaft's


def stairwell(space: Space) -> Stairwell | None:
    """The opening over the room's stairs; None where there are none or they stand in no corner."""
    stairs = next((item for item in space.items if item.kind.name == "stairs"), None)
    if stairs is None or stairs.size[2] <= space.height:
        return None
    for i in range(len(space.outline)):
        plan = _rectangle(space.outline, i, stairs)
        if plan is not None:
            return Stairwell(corner=i, plan=plan, low=space.height, high=float(stairs.size[2]) + ABOVE)
    return None


def _rectangle(outline: np.ndarray, i: int, stairs: Placed) -> np.ndarray | None:
    """[4, 2] from corner i over the stairs; None where they stand elsewhere."""
    corner, sides = outline[i], (outline[(i + 1) % len(outline)] - outline[i], outline[i - 1] - outline[i])
    lengths = [float(np.linalg.norm(side)) for side in sides]
    along, across = (side / length for side, length in zip(sides, lengths, strict=True))
    if along[0] * across[1] - along[1] * across[0] < 0:
        return None
    local = (stairs.box.corners() - corner) @ np.stack([along, across], axis=1)
    reach = local.max(0) + _BESIDE
    if (local.min(0) > 0.1).any() or (local.min(0) < -0.01).any() or (reach > np.array(lengths) - 0.05).any():
        return None
    a, b = reach[0] * along, reach[1] * across
    return np.stack([corner, corner + a, corner + a + b, corner + b])


def open_ceiling(room: Room, well: Stairwell) -> tuple[Room, Room]:
    """(a room that is only the ceiling around the opening, the room without its ceiling)."""
    before, after = room.points[: well.corner], room.points[well.corner + 1 :]
    points = np.concatenate([before, well.plan[[3, 2, 1]], after])
    ceiling = replace(room, index=CEILING_INDEX, points=points, floor_visible=False)
    return ceiling, replace(room, ceiling_visible=False)


def add_shaft(builder: SoupBuilder, well: Stairwell, finish: Finish) -> None:
    """Four walls above the ceiling, facing inwards, and a lid."""
    sides = []
    for a, b in zip(well.plan, np.roll(well.plan, -1, axis=0), strict=True):
        sides.append([[*b, well.low], [*a, well.low], [*a, well.high], [*b, well.high]])
    walls, lid = quads(np.array(sides)), quads(np.array([[[*p, well.high] for p in well.plan[::-1]]]))
    for triangles, surface, label in ((walls, finish.wall, "wall"), (lid, finish.ceiling, "ceiling")):
        uv = triangles[..., [0, 2]] + triangles[..., [1, 1]] * [1, 0] if label == "wall" else triangles[..., :2]
        builder.add(triangles, uv=uv / surface.meters, material=surface.material, semantic=CLASS_ID[label])
