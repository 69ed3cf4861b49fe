"""Levels of a model on which things can stand."""

from __future__ import annotations

import numpy as np

from chorus.sources.rooms.drawn import SIZES, drawn_model
from chorus.sources.rooms.surfaces import GRID, room_on, surfaces
from chorus.sources.sweethome3d.mesh import Material
from chorus.sources.sweethome3d.own_models import boxes_model

SIZE = np.array([1.0, 0.4, 2.0])
SHELF = boxes_model(
    [((-0.5, -0.2, z), (0.5, 0.2, z + 0.02), 0) for z in (0.0, 0.6, 1.2, 1.98)]
    + [((x, -0.2, 0.0), (x + 0.02, 0.2, 2.0), 0) for x in (-0.5, 0.48)],
    (Material(),),
    SIZE,
)


def test_levels_of_a_shelf_and_the_height_above_them():
    found = surfaces(SHELF)
    levels = np.array([(s.z + 0.5) * SIZE[2] for s in found])
    assert np.allclose(levels, [2.0, 1.22, 0.62, 0.02], atol=0.005)
    free = [float(np.median(s.free[2:-2, 2:-2])) * SIZE[2] for s in found]
    assert np.isinf(free[0]) and np.allclose(free[1:], [0.76, 0.58, 0.58], atol=0.02)


def test_things_fit_between_boards_or_not():
    top, middle, *_ = surfaces(SHELF)
    low = np.array([0.2, 0.2, 0.5])
    spots = room_on(middle, SIZE, low)
    assert len(spots) and (np.abs(spots) <= SIZE[:2] / 2 - low[:2] / 2 + 1.0 / GRID).all()
    assert not len(room_on(middle, SIZE, np.array([0.2, 0.2, 0.8])))  # too tall
    assert len(room_on(top, SIZE, np.array([0.2, 0.2, 0.8])))
    assert not len(room_on(top, SIZE, np.array([1.1, 0.2, 0.1])))  # too wide


def test_drawn_models_fill_the_unit_cube():
    for name in SIZES:
        flat = drawn_model(name, np.random.default_rng(0)).corners.reshape(-1, 3)
        assert np.abs(flat).max() < 0.53 and (np.ptp(flat, axis=0) > 0.9).all(), name
