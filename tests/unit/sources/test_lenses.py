"""Every camera model beside COLMAP's own implementation, and the pinhole image it becomes."""

import numpy as np
import pytest

from chorus.errors import InputError
from chorus.sources.lenses import _MODELS, lens, undistort

SIZE = (640, 480)
_SPECIAL = {"FOV": [0.9], "EUCM": [0.6, 1.1]}


def example(name):
    head, _, count = _MODELS[name]
    extra = _SPECIAL.get(name, (np.random.default_rng(0).normal(size=count) * 0.01).tolist())
    return [400.0] * (len(head) - 2) + [310.0, 250.0] + extra


@pytest.mark.parametrize("name", sorted(set(_MODELS) - {"BROWN"}))
def test_directions_land_where_colmap_says(name):
    pycolmap = pytest.importorskip("pycolmap")
    x, y = np.random.default_rng(1).uniform(-0.7, 0.7, (2, 200))
    camera = pycolmap.Camera(model=name, width=SIZE[0], height=SIZE[1], params=example(name))
    expected = camera.img_from_cam(np.stack([x, y, np.ones_like(x)], axis=1))
    assert np.abs(np.stack(lens(name, example(name), SIZE, where="x").project(x, y), axis=1) - expected).max() < 1e-9


@pytest.mark.parametrize("name", sorted(_MODELS))
def test_the_pinhole_image_shows_only_what_was_seen(name):
    glass = lens(name, example(name), SIZE, where="x")
    columns, rows = np.meshgrid(np.arange(SIZE[0]) + 0.5, np.arange(SIZE[1]) + 0.5)
    _, K = undistort(np.zeros((SIZE[1], SIZE[0], 3), np.uint8), glass)
    u, v = glass.project((columns - K[0, 2]) / K[0, 0], (rows - K[1, 2]) / K[1, 1])
    assert min(u.min(), v.min()) > -0.01 and u.max() < SIZE[0] + 0.01 and v.max() < SIZE[1] + 0.01  # pixels
    ramp = np.stack([np.tile(np.arange(SIZE[0]) % 256, (SIZE[1], 1))] * 3, axis=-1).astype(np.uint8)
    if not glass.bends:
        assert undistort(ramp, glass)[0] is ramp


def test_a_model_that_folds_back_is_cut_off():
    glass = lens("RADIAL", [400.0, 320.0, 240.0, -0.4, 0.0], SIZE, where="x")
    u, _ = glass.project(np.array([0.2, 3.0]), np.zeros(2))
    assert np.isfinite(u[0]) and np.isnan(u[1])


@pytest.mark.parametrize(
    ("name", "params", "says"),
    [
        ("EQUIRECTANGULAR", [640, 480], "EQUIRECTANGULAR. Cut the panoramas"),
        ("OMNI", [1], "OMNI"),
        ("OPENCV", [400, 400, 320, 240], "8 finite parameters"),
        ("PINHOLE", [0, 400, 320, 240], "positive focal"),
        ("PINHOLE", [np.nan, 400, 320, 240], "finite parameters"),
    ],
)
def test_what_is_no_lens(name, params, says):
    with pytest.raises(InputError, match=says):
        lens(name, params, SIZE, where="x")
