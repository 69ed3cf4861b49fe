"""One room as a triangle soup: the shell of its home and every item that can be seen from inside it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from chorus.errors import InputError
from chorus.scene_list import SweetHomeRoom
from chorus.sources.sweethome3d import textures
from chorus.sources.sweethome3d.catalog import DEFAULTS, RESERVE
from chorus.sources.sweethome3d.classes import CLASS_NAMES, class_of, is_primitive
from chorus.sources.sweethome3d.dressing import laptops
from chorus.sources.sweethome3d.fetch import HomesFolder
from chorus.sources.sweethome3d.finishes import Finish, draw_finish, plain_finish, room_use
from chorus.sources.sweethome3d.furnish import Furnisher
from chorus.sources.sweethome3d.geometry import distance_to_edges, inside
from chorus.sources.sweethome3d.home_xml import Home, Item, Room, read_home
from chorus.sources.sweethome3d.mesh import Material, Soup, SoupBuilder
from chorus.sources.sweethome3d.models import ModelStore
from chorus.sources.sweethome3d.raycast import Tracer
from chorus.sources.sweethome3d.shell import add_floor_and_ceiling, add_ground, add_walls, ceiling_heights
from chorus.sources.sweethome3d.walls import WallPiece, cut_openings, wall_pieces

MIN_AREA = 1.9  # m2; smaller rooms hold no camera


@dataclass(frozen=True, kw_only=True)
class RoomScene:
    """Everything rendering needs. Frame: metres, z up, the room's floor at z = 0, the room's middle at x = y = 0."""

    soup: Soup
    outline: np.ndarray  # [P, 2] the room's floor
    height: float  # m, of its ceiling (mean), or what stands in for it on a terrace
    boxes: np.ndarray  # [B, 7] centre xyz, half size xyz, angle: items that no camera may stand in
    lamps: np.ndarray  # [L, 3] centres of the room's own lamps
    panes: np.ndarray  # [W, 4, 3] corners of the openings that let daylight into the room
    use: str
    info: dict


def assemble(spec: SweetHomeRoom, homes: HomesFolder, store: ModelStore) -> RoomScene:
    """Build the scene. Raises InputError for a room that is absent or empty, or a library that is not there."""
    home = read_home(homes.jar, spec.home)
    room = _room(home, spec)
    furnisher = Furnisher(
        store=store,
        archives=_archives(spec, homes),
        libraries=spec.furniture,
        seed=spec.seed,
        lamps_on=spec.light in ("dusk", "evening"),
    )
    finishes = _finishes(home, spec)
    if spec.furniture:
        own = [i for i in home.items if _in_room(i, room)]
        left = laptops(own, _middle(room.points), np.random.default_rng([spec.seed, 5]))
        home = replace(home, items=(*home.items, *left))
    info = {
        "source": "sweethome3d",
        "home": spec.home,
        "room": room.index,
        "room_name": room.name,
        "area_m2": round(room.area, 2),
        "domain": spec.domain,
        "split": spec.split,
        "light": spec.light,
        "seed": spec.seed,
        "furniture": list(spec.furniture),
    }
    return assemble_room(
        home, room, SoupBuilder(), furnisher=furnisher, finishes=finishes, glow=_GLOW[spec.light], info=info
    )


def assemble_room(
    home: Home,
    room: Room,
    builder: SoupBuilder,
    *,
    furnisher: Furnisher,
    finishes: dict[int, Finish],
    glow: float,
    info: dict,
) -> RoomScene:
    """The scene of one room of a home: its shell, added to what ``builder`` already holds, and every item seen from it.

    finishes: surfaces by room index; glow: how bright the view outside shows in a pane; info: what the capture says
    about the scene, to which the counts are added. Raises InputError for a room in which nothing stands.
    """
    origin = np.array([*_middle(room.points), home.levels[room.level].elevation])
    pieces = _add_shell(builder, home, finishes)
    visible = _visible_items(home, room, builder.build())
    numbers = _instances(visible)
    view = Material(
        color=(1.0, 1.0, 1.0), texture=textures.outside(np.random.default_rng([furnisher.seed, 3])), glow=glow
    )
    baths = [i for i in visible if CLASS_NAMES[class_of(i)] == "bathtub"]
    for number, item in zip(numbers, visible, strict=True):
        alone = not any(
            np.linalg.norm(item.center - bath.center) < 0.7 * max(bath.size[:2]) for bath in baths if bath is not item
        )
        base = home.levels[item.level].elevation
        furnisher.add(
            builder, item, base=base, instance=number, view=view if _faces_outside(home, item) else None, alone=alone
        )
    names = {number: CLASS_NAMES[class_of(item)] for number, item in zip(numbers, visible, strict=True)}
    own = [i for i in visible if _in_room(i, room)]
    if not own:
        raise InputError(
            f"{home.name}: room {room.index}", expected="a room with doors, windows or furniture", got="an empty one"
        )
    soup = builder.build()
    return RoomScene(
        soup=replace(soup, corners=soup.corners - origin.astype(np.float32)),
        outline=room.points - origin[:2],
        height=_height(home, room, pieces[room.level]),
        boxes=np.array([_box(i, home, origin) for i in visible]).reshape(-1, 7),
        lamps=np.array([_lamp(i, home, origin) for i in own if i.tag == "light"]).reshape(-1, 3),
        panes=np.array(
            [_pane(i, home, origin) for i in visible if i.tag == "doorOrWindow" and _faces_outside(home, i)]
        ).reshape(-1, 4, 3),
        use=room_use(room, {i.catalog_id for i in own}),
        info={
            **info,
            "items": len(visible),
            "triangles": len(soup),
            "models": dict(sorted(furnisher.counts.items())),
            "missing": sorted(furnisher.missing),
            "instances": {str(k): v for k, v in names.items()},
            "shown": {str(k): v for k, v in furnisher.shown.items()},
        },
    )


_GLOW = {"day": 1.0, "bright": 1.15, "dusk": 0.45, "evening": 0.06}


def _room(home: Home, spec: SweetHomeRoom) -> Room:
    if not 0 <= spec.room < len(home.rooms):
        raise InputError(
            f"scene {spec.id}", expected=f"a room of {home.name} in 0..{len(home.rooms) - 1}", got=spec.room
        )
    room = home.rooms[spec.room]
    if len(room.points) < 3 or room.area < MIN_AREA:
        raise InputError(
            f"scene {spec.id}",
            expected=f"a room of at least {MIN_AREA} m2",
            got=f"{room.area:.2f} m2 in {home.name}, room {spec.room}",
        )
    if spec.name and spec.name != room.name:
        raise InputError(
            f"scene {spec.id}", expected=f"room {spec.room} of {home.name} to be '{spec.name}'", got=f"'{room.name}'"
        )
    return room


def _instances(items: list[Item]) -> list[int]:
    """1, 2, ... by item; boxes that together make one thing (a fireplace) share the number of the first."""
    first: dict[tuple, int] = {}
    numbers = []
    for item in items:
        shared = item.group_id and is_primitive(item) and class_of(item)
        key = (item.group_id, class_of(item)) if shared else (0, len(numbers))
        numbers.append(first.setdefault(key, len(first) + 1))
    return numbers


def _archives(spec: SweetHomeRoom, homes: HomesFolder) -> dict[str, Path]:
    """Every archive by name, once those the scene names are known to be there."""
    known = {*homes.libraries, RESERVE}
    absent = [name for name in spec.furniture if name not in known]
    if absent:
        raise InputError(
            f"scene {spec.id}", expected=f"furniture libraries among {', '.join(sorted(known))}", got=", ".join(absent)
        )
    return {**homes.libraries, DEFAULTS: homes.jar}


def _middle(points: np.ndarray) -> np.ndarray:
    return (points.min(0) + points.max(0)) / 2


def _finishes(home: Home, spec: SweetHomeRoom) -> dict[int, Finish]:
    """The surfaces of every room, drawn by the scene's seed, or the designer's where no library may stand in."""
    if not spec.furniture:
        return {r.index: plain_finish(r, _wall_color(home, r)) for r in home.rooms}
    return {
        r.index: draw_finish(np.random.default_rng([spec.seed, r.index, 11]), room_use(r, _ids_in(home, r)))
        for r in home.rooms
    }


def _add_shell(builder: SoupBuilder, home: Home, finishes: dict[int, Finish]) -> dict[str, list[WallPiece]]:
    """Walls, floors and ceilings of every level; the pieces by level."""
    outer = plain_finish(None, (0.86, 0.84, 0.78))
    lowest = min(level.elevation for level in home.levels.values())
    pieces = {}
    for level in home.levels.values():
        pieces[level.id] = wall_pieces(tuple(w for w in home.walls if w.level == level.id))
        cut_openings(pieces[level.id], list(_openings(home, level.elevation)))
        rooms = [r for r in home.rooms if r.level == level.id]
        add_walls(builder, pieces[level.id], base=level.elevation, rooms=rooms, finishes=finishes, outer=outer)
        for room in rooms:
            add_floor_and_ceiling(
                builder,
                room,
                base=level.elevation,
                pieces=pieces[level.id],
                height=home.wall_height,
                finish=finishes[room.index],
                upper=level.elevation > lowest,
            )
    ground = Material(color=(0.50, 0.58, 0.40), texture=None)
    add_ground(builder, home, z=lowest, floor=outer.floor, ground=ground)
    return pieces


def _openings(home: Home, elevation: float):
    """Doors and windows with their height above a level at ``elevation``."""
    for item in home.items:
        if item.tag == "doorOrWindow":
            yield item, home.levels[item.level].elevation + item.elevation - elevation


def _wall_color(home: Home, room: Room):
    """The designer's paint on the longest wall side that faces the room."""
    best, color = 0.0, None
    for wall in home.walls:
        length = float(np.linalg.norm(wall.end - wall.start))
        if wall.level != room.level or length <= best:
            continue
        direction = (wall.end - wall.start) / length
        left = np.array([-direction[1], direction[0]])
        for sign, side in ((1.0, wall.left_color), (-1.0, wall.right_color)):
            probe = (wall.start + wall.end) / 2 + sign * (wall.thickness / 2 + 0.06) * left
            if side is not None and inside(probe[None], room.points)[0]:
                best, color = length, side
    return color


def _ids_in(home: Home, room: Room) -> set[str]:
    return {i.catalog_id for i in home.items if i.level == room.level and _in_room(i, room)}


def _in_room(item: Item, room: Room) -> bool:
    """Whether the item stands in the room or in one of its walls."""
    if item.level != room.level or len(room.points) < 3:
        return False
    reach = 0.35 if item.tag == "doorOrWindow" else 0.05
    point = item.center[None]
    return bool(inside(point, room.points)[0] or distance_to_edges(point, room.points)[0] < reach)


def _visible_items(home: Home, room: Room, shell: Soup) -> list[Item]:
    """Items of the room, and items elsewhere with a line of sight to some point of it past the bare shell."""
    own = [_in_room(i, room) for i in home.items]
    eyes = _eyes(room, home.levels[room.level].elevation)
    tracer = Tracer(shell.corners)
    targets = np.stack([_box_points(i, home) for i in home.items]) if home.items else np.zeros((0, 9, 3))
    seen = np.zeros(len(home.items), bool)
    for eye in eyes:
        todo = np.flatnonzero(~seen)
        ray = targets[todo] - eye
        near = np.linalg.norm(ray, axis=2).min(1) < 14.0
        hidden = tracer.blocked(np.broadcast_to(eye, ray.shape).reshape(-1, 3), ray.reshape(-1, 3) * 0.98, reach=1.0)
        seen[todo] |= near & ~hidden.reshape(len(todo), targets.shape[1]).all(1)
    return [item for item, mine, other in zip(home.items, own, seen, strict=True) if mine or other]


def _eyes(room: Room, elevation: float) -> np.ndarray:
    """[E, 3] a grid of points at eye height inside the room."""
    low, high = room.points.min(0), room.points.max(0)
    step = max(0.5, float(np.sqrt(np.prod(high - low) / 60)))
    grid = np.stack(
        np.meshgrid(*(np.arange(a + step / 2, b, step) for a, b in zip(low, high, strict=True))), axis=-1
    ).reshape(-1, 2)
    grid = grid[inside(grid, room.points)]
    grid = grid if len(grid) else room.points.mean(0)[None]
    return np.concatenate([grid, np.full((len(grid), 1), elevation + 1.4)], axis=1)


def _box_points(item: Item, home: Home) -> np.ndarray:
    """[9, 3] the middle and points near the corners of an item's box."""
    c, s = np.cos(item.angle), np.sin(item.angle)
    half = item.size / 2 * 0.9
    z = home.levels[item.level].elevation + item.elevation + item.plan_height / 2
    points = [[*item.center, z]]
    for dx in (-half[0], half[0]):
        for dy in (-half[1], half[1]):
            for dz in (-0.45, 0.45):
                points.append(
                    [item.center[0] + c * dx - s * dy, item.center[1] + s * dx + c * dy, z + dz * item.plan_height]
                )
    return np.array(points)


def _faces_outside(home: Home, item: Item) -> bool:
    """Whether a door or window has a covered room on at most one side."""
    if item.tag != "doorOrWindow":
        return False
    normal = np.array([-np.sin(item.angle), np.cos(item.angle)])
    covered = [
        r for r in home.rooms if r.level == item.level and len(r.points) >= 3 and room_use(r, set()) != "outdoors"
    ]
    sides = [any(inside((item.center + d * normal)[None], r.points)[0] for r in covered) for d in (-0.45, 0.45)]
    return not all(sides)


def _height(home: Home, room: Room, pieces: list[WallPiece]) -> float:
    return float(np.mean(ceiling_heights(room.points, pieces, home.wall_height)))


def _box(item: Item, home: Home, origin: np.ndarray) -> list[float]:
    z = home.levels[item.level].elevation + item.elevation + item.plan_height / 2
    return [
        *(np.array([*item.center, z]) - origin),
        item.size[0] / 2,
        item.size[1] / 2,
        item.plan_height / 2,
        item.angle,
    ]


def _lamp(item: Item, home: Home, origin: np.ndarray) -> np.ndarray:
    z = home.levels[item.level].elevation + item.elevation + item.plan_height * 0.5
    return np.array([*item.center, z]) - origin


def _pane(item: Item, home: Home, origin: np.ndarray) -> np.ndarray:
    """[4, 3] corners of the opening."""
    along = np.array([np.cos(item.angle), np.sin(item.angle)]) * item.size[0] / 2
    low = home.levels[item.level].elevation + item.elevation
    plan = np.stack([item.center - along, item.center + along, item.center + along, item.center - along])
    z = np.array([low, low, low + item.size[2], low + item.size[2]])
    return np.concatenate([plan, z[:, None]], axis=1) - origin
