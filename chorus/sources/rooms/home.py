"""One generated home: a plan, its doors and windows with models in them, and furniture in every room that shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from chorus.sources.rooms.catalogue import KINDS
from chorus.sources.rooms.cells import Unfurnishable
from chorus.sources.rooms.kinds import furnish
from chorus.sources.rooms.layout import Layout
from chorus.sources.rooms.openings import Opening
from chorus.sources.rooms.plan import Plan, draw_plan
from chorus.sources.rooms.space import Box, Placed, Space
from chorus.sources.rooms.stairwell import Stairwell, open_ceiling, stairwell
from chorus.sources.rooms.surfaces import Surface
from chorus.sources.sweethome3d.catalog import CatalogueModel
from chorus.sources.sweethome3d.classes import id_of
from chorus.sources.sweethome3d.home_xml import Home, Item, Level, Room

SWING = 0.85  # m on both sides of a door that stay free
_OPEN = ("open door", "door frame")  # seen through
_RECTANGLE = "M0,0 v1 h1 v-1 z"
_NAMES = {"bathroom": "Bathroom", "kitchen": "Kitchen", "living": "Living room", "hall": "Hall"}


@dataclass(frozen=True, kw_only=True)
class DrawnHome:
    """A home as the renderer reads it, and which room is to be captured: the plan's first."""

    home: Home
    room: Room
    well: Stairwell | None  # over its stairs
    plan: Plan
    spaces: dict[int, Space]  # by room, of those that are furnished
    openings: tuple[Placed, ...]  # as they stand in the walls


def draw_home(
    rng: np.random.Generator,
    kind: str,
    *,
    models: Callable[[str], list[CatalogueModel]],
    surfaces: Callable[[CatalogueModel], list[Surface]],
) -> DrawnHome:
    """A home with a furnished room of a kind. Raises Unfurnishable when this draw has no place for what it must
    hold."""
    plan = draw_plan(rng, kind)
    fixtures = [placed for o in plan.openings if (placed := _fixture(rng, o, plan, models)) is not None]
    spaces = {}
    for room in _shown(plan):
        space = _space(plan, room, fixtures)
        windows = [p for o, p in fixtures if o.room == room and "window" in o.kind and o.kind != "french window"]
        layout = Layout(rng, space, models=models, surfaces=surfaces)
        try:
            furnish(plan.cells[room].kind, layout, windows)
        except Unfurnishable:
            if room == 0:
                raise
        spaces[room] = space
    doors = tuple(placed for _, placed in fixtures)
    rooms = _rooms(plan)
    well = stairwell(spaces[0])
    if well is not None:
        rooms = (*open_ceiling(rooms[0], well), *rooms[1:])
    room = next(r for r in rooms if r.index == 0)
    home = _home(plan, rooms, spaces, fixtures)
    return DrawnHome(home=home, room=room, well=well, plan=plan, spaces=spaces, openings=doors)


def _shown(plan: Plan) -> list[int]:
    """The captured room and those seen from it through an open doorway."""
    beyond = {o.other if o.room == 0 else o.room for o in plan.openings if o.kind in _OPEN and 0 in (o.room, o.other)}
    return [0, *sorted(beyond - {-1, 0})]


def _fixture(rng, opening: Opening, plan: Plan, models) -> tuple[Opening, Placed] | None:
    """A door or window model that the wall has room for."""
    name = "door" if opening.kind == "front door" else opening.kind
    fit = [m for m in models(name) if m.size[0] * 0.9 <= opening.span]
    if not fit:
        return None
    model = fit[int(rng.integers(len(fit)))]
    size = np.array([min(model.size[0] * rng.uniform(0.92, 1.12), opening.span), plan.thickness, model.size[2]])
    low = 0.0
    if name in ("window", "high window"):
        size[0] = min(size[0] * rng.uniform(0.8, 1.4), opening.span)
        size[2] = min(size[2], plan.height - 1.15) if name == "window" else rng.uniform(0.45, 0.75)
        low = rng.uniform(0.7, 1.0) if name == "window" else rng.uniform(1.35, 1.6)
        low = max(min(low, plan.height - 0.12 - size[2]), 0.3)
    size[2] = min(size[2], plan.height - 0.06 - low)
    placed = Placed(
        kind=KINDS[name], model=model, size=size, center=opening.center, angle=opening.angle, elevation=float(low)
    )
    return opening, placed


def _space(plan: Plan, room: int, fixtures) -> Space:
    """An empty room with what has to stay free before its doors and windows."""
    outline = plan.cells[room].floor(plan.thickness)
    space = Space(outline=outline, height=plan.height)
    for opening, placed in fixtures:
        if room in (opening.room, opening.other):
            window = "window" in opening.kind
            reach = plan.thickness / 2 + (0.28 if window else SWING)
            if opening.kind == "french window":
                reach = plan.thickness / 2 + 0.6
            half = np.array([placed.size[0] / 2 + (0.02 if window else 0.06), reach])
            high = placed.box.high
            space.zones.append(
                Box(center=placed.center, half=half, angle=placed.angle, low=placed.elevation, high=high)
            )
    return space


def _home(plan: Plan, rooms: tuple[Room, ...], spaces: dict[int, Space], fixtures) -> Home:
    """Walls, rooms and items."""
    items = [item_of(placed, "doorOrWindow") for _, placed in fixtures]
    for space in spaces.values():
        items += [item_of(p, "light" if p.kind.label == "lamp" else "pieceOfFurniture") for p in space.items]
    return Home(
        name="generated",
        wall_height=plan.height,
        levels={"": Level(id="", elevation=0.0, height=plan.height)},
        walls=plan.walls,
        rooms=rooms,
        items=tuple(items),
    )


def _rooms(plan: Plan) -> tuple[Room, ...]:
    return tuple(
        Room(
            index=i,
            name=_NAMES.get(cell.kind, cell.kind.capitalize()),
            level="",
            points=cell.floor(plan.thickness),
            floor_color=None,
            ceiling_color=None,
            floor_visible=True,
            ceiling_visible=True,
        )
        for i, cell in enumerate(plan.cells)
    )


def item_of(placed: Placed, tag: str) -> Item:
    """A placed thing as the renderer's item: its class in the catalogue id, its model by name."""
    carpet = placed.kind.label == "floor"
    return Item(
        catalog_id="eTeks#texturableBox" if carpet else id_of(placed.kind.label),
        name="Carpet" if carpet else placed.kind.name,
        tag=tag,
        model=placed.model.name,
        level="",
        center=placed.center,
        elevation=placed.elevation,
        size=placed.size,
        plan_height=float(placed.size[2]),
        angle=placed.angle,
        pitch=0.0,
        roll=0.0,
        mirrored=False,
        rotation=np.eye(3),
        color=None,
        materials={},
        cut_out=_RECTANGLE,
        wall_depth=(0.0, 1.0),
    )
