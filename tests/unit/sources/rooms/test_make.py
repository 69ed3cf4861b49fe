"""Captures of generated rooms: whole, the same for the same number, lit and seen in wide ranges."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from chorus.errors import InputError, MissingError
from chorus.params import CaptureParams
from chorus.scene_list import GeneratedRoom
from chorus.sources.rooms import draw, make_generated
from chorus.sources.rooms import make as make_module
from chorus.sources.rooms.catalogue import Catalogue
from chorus.sources.rooms.light import Sensor, draw_light, draw_sensor, expose
from chorus.sources.rooms.space import Space
from chorus.sources.rooms.stairwell import open_ceiling, stairwell
from chorus.sources.sweethome3d import CLASS_NAMES, find_homes
from chorus.sources.sweethome3d.geometry import distance_to_edges, inside, signed_area
from chorus.sources.sweethome3d.light import PRESETS
from tests.unit.sources.rooms.small_library import build_library

SIZE = {"views": 8, "width": 64, "height": 48}
PARAMS = CaptureParams(**{f.name: SIZE.get(f.name, 64) for f in dataclasses.fields(CaptureParams)})
ROOM = GeneratedRoom(id="gen-0004", number=4, seed=3, kind="bathroom")


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    return build_library(tmp_path_factory.mktemp("homes"))


@pytest.fixture(scope="module")
def capture(homes):
    return make_generated(ROOM, PARAMS, homes_dir=homes)


def test_a_capture_is_whole_and_says_where_it_is_from(capture):
    capture.validate()
    assert len(capture) == 8 and capture.class_names == CLASS_NAMES
    info = capture.info
    assert (info["source"], info["home"], info["split"], info["domain"]) == ("rooms", "gen-0004", "train", "main")
    assert info["kind"] == "bathroom" and info["redrawn"] >= 0 and info["missing"] == []
    seen = {CLASS_NAMES[i] for i in np.unique(capture.semantic)}
    assert {"wall", "floor"} <= seen and len(seen) >= 5
    for number, name in info["instances"].items():
        assert all(CLASS_NAMES[i] == name for i in np.unique(capture.semantic[capture.instance == int(number)]))


def test_the_same_number_is_the_same_bytes_whatever_came_before(capture, homes):
    make_generated(dataclasses.replace(ROOM, number=5, kind="office"), PARAMS, homes_dir=homes)
    again = make_generated(ROOM, PARAMS, homes_dir=homes)
    for name in ("images", "depth", "semantic", "instance"):
        assert np.array_equal(getattr(again, name), getattr(capture, name)), name
    assert again.info == capture.info
    other = make_generated(dataclasses.replace(ROOM, seed=4), PARAMS, homes_dir=homes)
    assert other.images.shape == capture.images.shape and not np.array_equal(other.images, capture.images)


def test_cameras_stand_free(capture, homes):
    drawn = draw(ROOM, Catalogue(find_homes(homes)))
    if capture.info["redrawn"] == 0:
        middle = (drawn.room.points.min(0) + drawn.room.points.max(0)) / 2
        spots = capture.cameras.positions[:, :2] + middle
        assert inside(spots, drawn.room.points).all()
        assert (distance_to_edges(spots, drawn.room.points) > 0.4).all()
    assert (np.where(capture.depth > 0, capture.depth, 9.0).min((1, 2)) > 0.25).all()
    assert (capture.cameras.positions[:, 2] > 0.4).all() and (capture.cameras.positions[:, 2] < 2.1).all()


def test_a_room_without_a_place_for_cameras_is_drawn_again(homes, monkeypatch):
    """The first two draws have no free spot; the third is made, and counted."""
    calls, real = [], make_module.choose_views

    def choose(*args, **kwargs):
        calls.append(1)
        if len(calls) <= 2:
            raise InputError("room", expected="a spot", got="none")
        return real(*args, **kwargs)

    monkeypatch.setattr(make_module, "choose_views", choose)
    made = make_generated(ROOM, PARAMS, homes_dir=homes)
    assert len(calls) == 3 and made.info["redrawn"] >= 2


def test_without_the_packages_it_says_what_to_do(tmp_path):
    with pytest.raises(MissingError, match="chorus fetch"):
        make_generated(ROOM, PARAMS, homes_dir=tmp_path)


def test_stairs_open_the_ceiling_above_them(homes):
    """The ceiling loses the opening and no more; the opening holds the stairs."""
    catalogue = Catalogue(find_homes(homes))
    found = 0
    for number in range(1, 25):
        drawn = draw(GeneratedRoom(id="gen-0001", number=number, seed=1, kind="hall"), catalogue)
        space: Space = drawn.spaces[0]
        stairs = [item for item in space.items if item.kind.name == "stairs"]
        well = stairwell(space)
        assert (well is not None) == bool(stairs)
        if well is not None:
            found += 1
            ceiling, below = open_ceiling(dataclasses.replace(drawn.room, ceiling_visible=True), well)
            assert np.isclose(signed_area(ceiling.points), signed_area(below.points) - signed_area(well.plan))
            assert not ceiling.floor_visible and ceiling.ceiling_visible and not below.ceiling_visible
            corners = stairs[0].box.corners()
            assert (inside(corners, well.plan) | (distance_to_edges(corners, well.plan) < 0.02)).all()
            assert not inside(corners.mean(0)[None], ceiling.points)[0] and well.high > stairs[0].size[2]
    assert found > 4


def test_light_and_sensor_reach_beyond_the_designed_rooms():
    rng = np.random.default_rng(0)
    lights, sensors = [draw_light(rng) for _ in range(600)], [draw_sensor(rng) for _ in range(300)]
    for name in ("day", "bright"):
        for key in ("sky", "ceiling"):
            drawn = np.array([getattr(light.preset, key) for light in lights])
            designed = np.array(getattr(PRESETS[name], key))
            assert (drawn.min(0) < designed).all() and (drawn.max(0) > designed).all()
    assert {light.name for light in lights} == {"day", "dusk", "evening"}
    assert all(light.lamps_on for light in lights if light.name != "day")
    assert all(min(light.preset.sky) > 0 and min(light.preset.ceiling) > 0 for light in lights)
    assert min(s.exposure for s in sensors) < 0.8 and max(s.exposure for s in sensors) > 1.25


def test_what_a_sensor_does_to_radiance():
    plain = Sensor(exposure=1.0, balance=(1.0, 1.0, 1.0), saturation=1.0, vignette=0.0, blur=0.0, noise=0.01)
    rng = np.random.default_rng(0)
    light = rng.uniform(0.1, 1.0, (2, 32, 48, 3)).astype(np.float32)
    assert np.allclose(expose(light, plain), light, atol=1e-6)
    warm = expose(light, dataclasses.replace(plain, balance=(1.2, 1.0, 0.8)))
    assert np.allclose(warm, light * [1.2, 1.0, 0.8], rtol=1e-5)
    grey = expose(light, dataclasses.replace(plain, saturation=0.0))
    assert np.allclose(grey, light.mean(-1, keepdims=True), rtol=1e-5)
    dark = expose(np.ones_like(light), dataclasses.replace(plain, vignette=0.3))
    assert np.isclose(dark[0, 0, 0, 0], 0.7, atol=0.03) and np.isclose(dark[0, 16, 24, 0], 1.0, atol=0.01)
    soft = expose(light, dataclasses.replace(plain, blur=0.03))
    assert soft.std() < 0.6 * light.std() and np.isclose(soft.mean(), light.mean(), rtol=0.02)
