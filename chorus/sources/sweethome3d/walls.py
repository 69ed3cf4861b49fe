"""Walls in the plan: straight pieces of straight and arched walls, mitred where they join, with the openings cut into
them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from chorus.sources.sweethome3d.cutout import slices
from chorus.sources.sweethome3d.geometry import cross, left_of
from chorus.sources.sweethome3d.home_xml import Item, Wall

_ARC_STEP = np.deg2rad(9.0)


@dataclass
class WallPiece:
    """A straight piece: s runs along its axis in metres from ``origin``."""

    wall: Wall
    origin: np.ndarray  # [2]
    direction: np.ndarray  # [2] unit
    length: float
    heights: tuple[float, float]  # at both ends
    left: tuple[float, float] = (0.0, 0.0)  # s where the left side begins and ends
    right: tuple[float, float] = (0.0, 0.0)
    open_ends: tuple[bool, bool] = (True, True)
    openings: list[tuple[float, float, float, float]] = field(default_factory=list)  # s0, s1, z0, z1 above the level

    @property
    def half(self) -> float:
        """Half the thickness."""
        return self.wall.thickness / 2

    def at(self, s, side: float = 0.0) -> np.ndarray:
        """[..., 2] plan points at s, ``side`` metres to the left of the axis."""
        return self.origin + np.multiply.outer(s, self.direction) + side * left_of(self.direction)

    def top(self, s: float) -> float:
        """Height of the wall at s."""
        t = np.clip(s / max(self.length, 1e-9), 0.0, 1.0)
        return float(self.heights[0] + (self.heights[1] - self.heights[0]) * t)


def wall_pieces(walls: tuple[Wall, ...]) -> list[WallPiece]:
    """Every wall as mitred straight pieces, without openings yet. Walls shorter than a millimetre are left out."""
    chains = {w.id: _chain(w) for w in walls if np.linalg.norm(w.end - w.start) > 1e-3}
    pieces = []
    for wall in walls:
        chain = chains.get(wall.id, [])
        for i, piece in enumerate(chain):
            before = chain[i - 1] if i else _joined(chains, wall.at_start, wall.start)
            after = chain[i + 1] if i + 1 < len(chain) else _joined(chains, wall.at_end, wall.end)
            _mitre(piece, before, after)
        pieces.extend(chain)
    return pieces


def _chain(wall: Wall) -> list[WallPiece]:
    points = _axis(wall)
    steps = np.diff(points, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    along = np.concatenate([[0.0], np.cumsum(lengths)]) / lengths.sum()
    heights = wall.height_start + (wall.height_end - wall.height_start) * along
    return [
        WallPiece(wall, points[i], steps[i] / lengths[i], float(lengths[i]), (float(heights[i]), float(heights[i + 1])))
        for i in range(len(steps))
    ]


def _axis(wall: Wall) -> np.ndarray:
    """[P, 2] the axis, an arc as chords of at most 9 degrees."""
    if abs(wall.arc) < 1e-3:
        return np.stack([wall.start, wall.end])
    chord = wall.end - wall.start
    center = (wall.start + wall.end) / 2 - left_of(chord) / 2 / np.tan(wall.arc / 2)
    start = wall.start - center
    angles = np.linspace(0.0, -wall.arc, max(2, int(np.ceil(abs(wall.arc) / _ARC_STEP)) + 1))
    c, s = np.cos(angles), np.sin(angles)
    return center + np.stack([c * start[0] - s * start[1], s * start[0] + c * start[1]], axis=1)


def _joined(chains: dict[str, list[WallPiece]], wall_id: str | None, point: np.ndarray) -> WallPiece | None:
    """The neighbour's piece that touches ``point``."""
    chain = chains.get(wall_id or "")
    if not chain:
        return None
    ends = (chain[0], chain[-1])
    distance = (np.linalg.norm(chain[0].origin - point), np.linalg.norm(chain[-1].at(chain[-1].length) - point))
    return ends[int(distance[1] < distance[0])]


def _mitre(piece: WallPiece, before: WallPiece | None, after: WallPiece | None) -> None:
    a = _trim(piece.origin, piece.direction, piece.half, before)
    b = _trim(piece.at(piece.length), -piece.direction, piece.half, after)
    piece.left = (a[0], piece.length - b[1])
    piece.right = (a[1], piece.length - b[0])
    piece.open_ends = (before is None, after is None)


def _trim(point, u, half: float, other: WallPiece | None) -> tuple[float, float]:
    """How far from ``point`` along u the left and right sides begin (negative: they reach beyond), to meet ``other``'s
    sides."""
    if other is None:
        return 0.0, 0.0
    near_start = np.linalg.norm(other.origin - point) <= np.linalg.norm(other.at(other.length) - point)
    w = other.direction if near_start else -other.direction
    turn = float(cross(u, w))
    if abs(turn) < 0.08:
        return 0.0, 0.0
    t = -float(cross(half * left_of(u) + other.half * left_of(w), w)) / turn
    limit = 3.0 * max(half, other.half)
    return float(np.clip(t, -limit, limit)), float(np.clip(-t, -limit, limit))


def cut_openings(pieces: list[WallPiece], items: list[tuple[Item, float]]) -> None:
    """Cut every door and window (with its height above the walls' level) into the pieces it runs through."""
    for item, elevation in items:
        center, half_depth = wall_part(item)
        along = np.array([np.cos(item.angle), np.sin(item.angle)])
        for piece in pieces:
            bent = abs(piece.wall.arc) > 1e-3
            if abs(float(cross(along, piece.direction))) > (0.6 if bent else 0.25):
                continue
            offset = center - piece.origin
            s, side = float(offset @ piece.direction), float(offset @ left_of(piece.direction))
            if abs(side) > piece.half + half_depth + (0.1 if bent else -0.005):
                continue
            _cut(piece, item, s, elevation, same_way=float(along @ piece.direction) > 0)


def wall_part(item: Item) -> tuple[np.ndarray, float]:
    """Plan centre and half depth (m) of the part of a door or window that sits in the wall."""
    distance, thickness = item.wall_depth
    shift = (0.5 - distance - thickness / 2) * item.size[1]  # towards the back, which is +y of the item
    back = np.array([-np.sin(item.angle), np.cos(item.angle)])
    return item.center + shift * back, thickness * item.size[1] / 2


def _cut(piece: WallPiece, item: Item, s: float, elevation: float, *, same_way: bool) -> None:
    width, height = item.size[0], item.size[2]
    flip = same_way == item.mirrored
    for left, right, low, high in slices(item.cut_out):
        a, b = (1.0 - right, 1.0 - left) if flip else (left, right)
        begin, end = s + (a - 0.5) * width, s + (b - 0.5) * width
        if end > min(piece.left[0], piece.right[0]) and begin < max(piece.left[1], piece.right[1]):
            piece.openings.append((begin, end, elevation + low * height, elevation + high * height))
