"""Floor plans: one to six rooms cut from a rectangle, some of them L-shaped, with walls, doors and windows between."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chorus.sources.rooms.cells import SIZES, Cell, Cutter, Unfurnishable, too_narrow
from chorus.sources.rooms.openings import Opening, draw_doors, draw_windows, shared, with_front_door
from chorus.sources.sweethome3d.home_xml import Wall

MOST_ROOMS = 6


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A home on one level. The first cell is the room to be captured."""

    cells: tuple[Cell, ...]
    walls: tuple[Wall, ...]
    openings: tuple[Opening, ...]
    height: float
    thickness: float


def draw_plan(rng: np.random.Generator, kind: str) -> Plan:
    """A home with a room of a kind among one to six. Raises Unfurnishable when a draw leaves a room too narrow or
    without a door."""
    kinds = [kind, *_others(rng, kind, int(rng.choice(MOST_ROOMS, p=(0.14, 0.16, 0.22, 0.2, 0.16, 0.12))))]
    areas = np.array([rng.uniform(SIZES[k][0], SIZES[k][1]) for k in kinds])
    thickness, height = float(rng.uniform(0.10, 0.22)), float(rng.uniform(2.35, 3.1))
    aspect = rng.uniform(0.75, 1.5)
    width = np.sqrt(areas.sum() * aspect)
    block = np.array([0.0, 0.0, width, areas.sum() / width])
    cutter = Cutter(rng, kinds, areas)
    cutter.outline(block)
    cells = tuple(Cell(kind=k, axes=cutter.cells[i]) for i, k in enumerate(kinds))
    for cell in cells:
        if too_narrow(cell.axes, thickness, SIZES[cell.kind][2]):
            raise Unfurnishable("a room too narrow")
    stretches = shared(cells)
    openings = (*draw_doors(rng, cells, stretches, thickness), *draw_windows(rng, cells, stretches, thickness))
    return Plan(
        cells=cells,
        walls=_walls(cutter.chains, thickness, height),
        openings=with_front_door(rng, cells, openings, stretches, thickness),
        height=height,
        thickness=thickness,
    )


def _others(rng: np.random.Generator, kind: str, count: int) -> list[str]:
    """Kinds of the other rooms: what a home needs first, none but bedrooms twice."""
    wanted = [k for k in ("living", "bathroom", "kitchen", "bedroom", "hall", "office", "dining") if k != kind]
    shuffled = sorted(wanted, key=lambda k: wanted.index(k) + rng.uniform(0, 4))
    shuffled.insert(4, "bedroom")
    return shuffled[:count]


def _walls(chains: list[tuple[np.ndarray, bool]], thickness: float, height: float) -> tuple[Wall, ...]:
    """A wall for every step of every chain, joined to the steps before and after."""
    walls = []
    for number, (points, closed) in enumerate(chains):
        count = len(points) if closed else len(points) - 1
        for i in range(count):
            before, after = (i - 1) % count if closed else i - 1, (i + 1) % count if closed else i + 1
            walls.append(
                Wall(
                    id=f"{number}.{i}",
                    level="",
                    start=points[i],
                    end=points[(i + 1) % len(points)],
                    thickness=thickness,
                    height_start=height,
                    height_end=height,
                    arc=0.0,
                    left_color=None,
                    right_color=None,
                    at_start=f"{number}.{before}" if before >= 0 else None,
                    at_end=f"{number}.{after}" if after < count else None,
                )
            )
    return tuple(walls)
