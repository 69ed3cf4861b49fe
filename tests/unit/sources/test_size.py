"""The unit of captures that do not tell it: rooms and walks whose metres are known, in other units."""

import numpy as np
import pytest

from chorus.sources.size import EYE_HEIGHT, ROOM_HEIGHT, SPREAD, circles, lowest_level, size_of


def room(height=2.6, *, ceiling=True, seed=0):
    """Points [P, 3] of a room of 5 x 4 m and what stands in it, as sparse as features are."""
    draw = np.random.default_rng(seed)
    walls = draw.uniform([0, 0, 0], [5, 4, height], (900, 3))
    side = draw.integers(0, 4, 900)
    walls[side == 0, 0], walls[side == 1, 0] = 0.0, 5.0
    walls[side == 2, 1], walls[side == 3, 1] = 0.0, 4.0
    floor = np.concatenate([draw.uniform([0, 0], [5, 4], (250, 2)), np.zeros((250, 1))], axis=1)
    things = draw.uniform([1, 1, 0.1], [4, 3, 0.9], (500, 3))
    table = np.concatenate([draw.uniform([1, 1], [3, 2], (300, 2)), np.full((300, 1), 0.74)], axis=1)
    parts = [walls, floor, things, table] + ([floor + [0, 0, height]] if ceiling else [])
    return np.concatenate(parts) + draw.normal(0, 0.005, (sum(map(len, parts)), 3))


def walk(height=1.45, count=30, seed=1):
    """Positions and viewing directions [V, 3] of someone who walks through it and looks around."""
    draw = np.random.default_rng(seed)
    positions = np.stack([np.linspace(1, 4, count), 2 + 0.5 * np.sin(np.arange(count)), np.full(count, height)], axis=1)
    positions[:, 2] += draw.normal(0, 0.06, count)
    angle, pitch = draw.uniform(0, 2 * np.pi, count), draw.uniform(-0.4, 0.1, count)
    axes = np.stack([np.cos(angle) * np.cos(pitch), np.sin(angle) * np.cos(pitch), np.sin(pitch)], axis=1)
    return positions, axes


@pytest.mark.parametrize("unit", [0.01, 0.3, 1.0, 39.37])
@pytest.mark.parametrize("ceiling", [True, False])
@pytest.mark.parametrize("height", [1.25, 1.6])
def test_a_walk_through_a_room_in_any_unit(unit, ceiling, height):
    positions, axes = walk(height)
    shift = np.array([3.0, -7.0, 11.0])
    found = size_of((room(ceiling=ceiling) + shift) / unit, (positions + shift) / unit, axes)
    assert found is not None and abs(found.meters / unit - 1) < 2 * found.error, found
    assert found.error == pytest.approx(SPREAD / np.sqrt(2) if ceiling else SPREAD)
    eye = EYE_HEIGHT / height
    want = np.sqrt(eye * ROOM_HEIGHT / 2.6) if ceiling else eye
    assert found.meters / unit == pytest.approx(want, rel=0.03)


def test_an_object_on_a_table_tells_nothing():
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    positions = np.stack([np.cos(angle), np.sin(angle), np.full(24, 0.5)], axis=1)
    axes = -positions / np.linalg.norm(positions, axis=1, keepdims=True)
    assert circles(positions, axes) and not circles(*walk())
    draw = np.random.default_rng(0)
    table = np.concatenate([draw.uniform(-1, 1, (800, 2)), np.zeros((800, 1))], axis=1)
    thing = draw.normal(0, 0.15, (800, 3)) + [0, 0, 0.3]
    assert size_of(np.concatenate([table, thing]), positions, axes) is None


def test_without_a_floor_or_with_cameras_below_it_nothing_is_told():
    positions, axes = walk()
    draw = np.random.default_rng(0)
    cloud = draw.normal(0, 2, (2000, 3))
    assert lowest_level(cloud[:, 2], 3.0) is None and size_of(cloud, positions, axes) is None
    assert size_of(room(), positions - [0, 0, 1.6], axes) is None
    assert size_of(room()[:100], positions, axes) is None
    drone = positions * [1, 1, 0] + np.linspace(2, 30, len(positions))[:, None] * [0, 0, 1]
    assert size_of(room(ceiling=False), drone, axes) is None
