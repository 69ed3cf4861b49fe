"""The built shell of a home as triangles: walls with their openings, floors, ceilings, the ground outside."""

from __future__ import annotations

import numpy as np

from chorus.sources.sweethome3d.classes import CLASS_ID
from chorus.sources.sweethome3d.finishes import Finish, Surface
from chorus.sources.sweethome3d.geometry import inside, triangulate
from chorus.sources.sweethome3d.home_xml import Home, Room
from chorus.sources.sweethome3d.mesh import Material, SoupBuilder, quads
from chorus.sources.sweethome3d.walls import WallPiece

SKIRTING = 0.07  # m
SLAB = 0.12  # m, thickness of a storey's floor
_PROBE = 0.05  # m, how finely the room beside a wall is looked up


def add_walls(
    builder: SoupBuilder,
    pieces: list[WallPiece],
    *,
    base: float,
    rooms: list[Room],
    finishes: dict[int, Finish],
    outer: Finish,
) -> None:
    """All pieces of one level standing at height ``base`` (m); each side painted as the room it faces."""
    for piece in pieces:
        for sign in (1.0, -1.0):
            _add_side(builder, piece, sign, base, rooms, finishes, outer)
        _add_reveals(builder, piece, base, outer.skirting)


def _add_side(builder, piece: WallPiece, sign: float, base: float, rooms, finishes, outer: Finish) -> None:
    begin, end = piece.left if sign > 0 else piece.right
    if end - begin < 1e-4:
        return
    probes = np.arange(begin, end, _PROBE)
    facing = _facing_room(piece.at(probes + _PROBE / 2, sign * (piece.half + 0.06)), rooms)
    cuts = [float(probes[i]) for i in np.flatnonzero(np.diff(facing)) + 1]
    edges = {begin, end, *cuts, *(s for o in piece.openings for s in o[:2] if begin < s < end)}
    edges = sorted(edges)
    outward = np.arctan2(*(-sign * _left(piece))[::-1])
    for a, b in zip(edges[:-1], edges[1:], strict=True):
        room = facing[min(int(((a + b) / 2 - begin) / _PROBE), len(facing) - 1)]
        finish = finishes.get(int(room), outer)
        accent = abs(np.angle(np.exp(1j * (outward - finish.accent_angle)))) < np.pi / 4
        for low, high, surface in _spans(piece, a, b, finish, accent):
            _add_span(builder, piece, sign, base, (a, b), low, high, surface)


def _left(piece: WallPiece) -> np.ndarray:
    return np.array([-piece.direction[1], piece.direction[0]])


def _facing_room(points: np.ndarray, rooms: list[Room]) -> np.ndarray:
    """[N] index of the room each point [N, 2] lies in, -1 outside."""
    found = np.full(len(points), -1)
    for room in rooms:
        if len(room.points) >= 3:
            found[inside(points, room.points)] = room.index
    return found


def _spans(piece: WallPiece, a: float, b: float, finish: Finish, accent: bool):
    """(low, high, surface) of the solid parts between s = a and b; low and high are heights at a and at b."""
    middle = (a + b) / 2
    holes = sorted((z0, z1) for s0, s1, z0, z1 in piece.openings if s0 <= middle <= s1)
    wall = finish.accent if accent else finish.wall
    tops = (piece.top(a), piece.top(b))
    low = 0.0
    for z0, z1 in [*holes, (np.inf, np.inf)]:
        high = (min(z0, tops[0]), min(z0, tops[1]))
        if max(high) > low + 1e-4:
            if low < SKIRTING < min(high):
                yield (low, low), (SKIRTING, SKIRTING), finish.skirting
                yield (SKIRTING, SKIRTING), high, wall
            else:
                yield (min(low, high[0]), min(low, high[1])), high, wall
        low = max(low, z1)


def _add_span(builder, piece: WallPiece, sign: float, base: float, ends, low, high, surface: Surface) -> None:
    a, b = ends
    plan = piece.at(np.array([a, b, b, a]), sign * piece.half)
    z = np.array([low[0], low[1], high[1], high[0]])
    corners = np.concatenate([plan, (z + base)[:, None]], axis=1)
    uv = np.stack([np.array([a, b, b, a]), z], axis=1) / surface.meters
    if sign < 0:
        corners, uv = corners[::-1], uv[::-1]
    builder.add(quads(corners), uv=uv[[[0, 1, 2], [0, 2, 3]]], material=surface.material, semantic=CLASS_ID["wall"])


def _add_reveals(builder, piece: WallPiece, base: float, surface: Surface) -> None:
    """Jambs, sills and lintels of openings, the top of the wall and its free ends."""
    h, faces = piece.half, []
    s_min, s_max = min(piece.left[0], piece.right[0]), max(piece.left[1], piece.right[1])
    for s0, s1, z0, z1 in piece.openings:
        s0, s1, z0 = max(s0, s_min), min(s1, s_max), max(z0, 0.0)
        z1 = min(z1, piece.top((s0 + s1) / 2))
        for s in (s0, s1):
            for low, high in _uncovered(piece, (s0 + s1) / 2, s, z0, z1):
                faces.append(_strip(piece, (s, s), (h, -h), (low, low), (high, high)))
        for z in (z0, z1):
            if z > 0.02:  # a door stands on the floor, which is there already
                faces.append(_flat(piece, s0, s1, (z, z)))
    faces.append(_flat(piece, s_min, s_max, (piece.top(0.0), piece.top(piece.length))))
    for s, free in zip((0.0, piece.length), piece.open_ends, strict=True):
        if free:
            faces.append(_strip(piece, (s, s), (h, -h), (0.0, 0.0), (piece.top(s), piece.top(s))))
    triangles = quads(np.array(faces)) + [0, 0, base]
    builder.add(triangles, uv=np.zeros((len(triangles), 3, 2)), material=surface.material, semantic=CLASS_ID["wall"])


def _uncovered(piece: WallPiece, middle: float, s: float, z0: float, z1: float) -> list[tuple[float, float]]:
    """The parts of z0..z1 at s, an end of the opening around ``middle``, where no other opening goes on (slices of a
    round one touch)."""
    parts = [(z0, z1)]
    for a, b, low, high in piece.openings:
        if min(abs(a - s), abs(b - s)) < 1e-6 and (a + b) / 2 * np.sign(s - middle) > s * np.sign(s - middle):
            parts = [p for q0, q1 in parts for p in ((q0, min(q1, low)), (max(q0, high), q1)) if p[1] - p[0] > 1e-4]
    return parts


def _strip(piece: WallPiece, s, side, low, high) -> np.ndarray:
    a, b = piece.at(s[0], side[0]), piece.at(s[1], side[1])
    return np.array([[*a, low[0]], [*b, low[1]], [*b, high[1]], [*a, high[0]]])


def _flat(piece: WallPiece, s0: float, s1: float, z) -> np.ndarray:
    h = piece.half
    return np.array(
        [[*piece.at(s0, h), z[0]], [*piece.at(s0, -h), z[0]], [*piece.at(s1, -h), z[1]], [*piece.at(s1, h), z[1]]]
    )


def add_floor_and_ceiling(
    builder: SoupBuilder,
    room: Room,
    *,
    base: float,
    pieces: list[WallPiece],
    height: float,
    finish: Finish,
    upper: bool,
) -> None:
    """Floor at ``base``, its underside when a storey lies below, and the ceiling on top of the walls."""
    if len(room.points) < 3:
        return
    triangles = room.points[triangulate(room.points)]  # [T, 3, 2]
    if room.floor_visible:
        _add_flat(builder, triangles, np.full(triangles.shape[:2], base), finish.floor, CLASS_ID["floor"])
        if upper:
            _add_flat(
                builder,
                triangles[:, ::-1],
                np.full(triangles.shape[:2], base - SLAB),
                finish.ceiling,
                CLASS_ID["ceiling"],
            )
    if room.ceiling_visible:
        tops = ceiling_heights(room.points, pieces, height)[triangulate(room.points)]
        _add_flat(builder, triangles[:, ::-1], base + tops[:, ::-1], finish.ceiling, CLASS_ID["ceiling"])


def ceiling_heights(points: np.ndarray, pieces: list[WallPiece], height: float) -> np.ndarray:
    """[P] height above the level at plan points [P, 2]: that of the wall beside it, ``height`` where there is none."""
    found = np.full(len(points), np.nan)
    nearest = np.full(len(points), 0.35)
    for piece in pieces:
        along = (points - piece.origin) @ piece.direction
        away = np.abs((points - piece.origin) @ _left(piece)) - piece.half
        beyond = np.maximum(np.maximum(-along, along - piece.length), 0.0)
        distance = np.hypot(np.maximum(away, 0.0), beyond)
        for i in np.flatnonzero(distance < nearest):
            nearest[i], found[i] = distance[i], piece.top(float(along[i]))
    return np.where(np.isnan(found), height, found)


def _add_flat(builder, triangles: np.ndarray, z: np.ndarray, surface: Surface, semantic: int) -> None:
    corners = np.concatenate([triangles, z[..., None]], axis=2)
    uv = triangles / surface.meters
    builder.add(corners, uv=uv[..., ::-1] if surface.turned else uv, material=surface.material, semantic=semantic)


def add_ground(builder: SoupBuilder, home: Home, *, z: float, floor: Surface, ground: Material) -> None:
    """The earth around the home, and a plain slab under all its rooms, for gaps between floors."""
    points = np.concatenate([w.start[None] for w in home.walls] + [r.points for r in home.rooms])
    low, high = points.min(0), points.max(0)
    _add_rectangle(builder, low - 60, high + 60, z - 0.03, ground, 3.0)
    lowest = min(level.elevation for level in home.levels.values())
    for level in home.levels.values():
        if level.elevation == lowest:
            for room in home.rooms:
                if room.level == level.id and len(room.points) >= 3 and room.floor_visible:
                    box = np.stack([room.points.min(0) - 0.3, room.points.max(0) + 0.3])
                    _add_rectangle(builder, box[0], box[1], z - 0.02, floor.material, floor.meters)


def _add_rectangle(builder, low, high, z: float, material: Material, meters: float) -> None:
    plan = np.array([[low[0], low[1]], [high[0], low[1]], [high[0], high[1]], [low[0], high[1]]])
    corners = quads(np.concatenate([plan, np.full((4, 1), z)], axis=1))
    builder.add(corners, uv=corners[..., :2] / meters, material=material, semantic=0)
