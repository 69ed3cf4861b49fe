"""Polygons, cut-outs, walls and model parsing, each against a value worked out by hand."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chorus.errors import InputError
from chorus.sources.sweethome3d.cutout import path_polygon, slices
from chorus.sources.sweethome3d.geometry import distance_to_edges, inside, signed_area, triangulate
from chorus.sources.sweethome3d.home_xml import Item, parse_home
from chorus.sources.sweethome3d.models import thin
from chorus.sources.sweethome3d.obj import read_obj
from chorus.sources.sweethome3d.walls import cut_openings, wall_part, wall_pieces
from tests.unit.sources.tiny_home import home_xml, wall

ARC, SLOPE = 'arcExtent="3.1415927"', 'heightAtEnd="150"'


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.3, 3.0), min_size=3, max_size=14), st.booleans())
def test_ears_tile_a_star_shaped_polygon(radii, clockwise):
    angles = np.arange(len(radii)) * 2 * np.pi / len(radii)
    polygon = np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.array(radii)[:, None]
    polygon = polygon[::-1] if clockwise else polygon
    cut = triangulate(polygon)
    assert len(cut) == len(polygon) - 2
    areas = [signed_area(polygon[t]) for t in cut]
    assert min(areas) >= -1e-9 and sum(areas) == pytest.approx(abs(signed_area(polygon)))


def test_inside_and_distance():
    ell = np.array([[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2]], float)
    assert inside(np.array([[0.5, 1.5], [1.5, 1.5], [1.5, 0.5]]), ell).tolist() == [True, False, True]
    assert distance_to_edges(np.array([[1.5, 1.5]]), ell)[0] == pytest.approx(0.5)


def test_cut_out_shapes():
    assert slices("M0,0 v1 h1 v-1 z") == [(0.0, 1.0, 0.0, 1.0)]
    circle = path_polygon("M0,0.5 A0.5 0.5 0 1 1 1,0.5 A0.5 0.5 0 1 1 0,0.5 Z")
    assert np.abs(np.linalg.norm(circle - 0.5, axis=1) - 0.5).max() < 1e-6
    area = sum(
        (b - a) * (high - low) for a, b, low, high in slices("M0,0.5 A0.5 0.5 0 1 1 1,0.5 A0.5 0.5 0 1 1 0,0.5 Z")
    )
    assert area == pytest.approx(np.pi / 4, rel=0.03)
    with pytest.raises(InputError, match="SVG path"):
        path_polygon("M0 C1")


def test_joined_walls_meet_without_gap():
    """Two 10 cm walls at a right angle: the outer sides reach 5 cm further, the inner ones stop 5 cm short."""
    along, down = wall(0, 0, 0, 400, 0, 'wallAtEnd="w1"'), wall(1, 400, 0, 400, 300, 'wallAtStart="w0"')
    xml = f'<home wallHeight="250">{along}{down}</home>'
    first, second = wall_pieces(parse_home(xml.encode(), "corner").walls)
    assert first.left == pytest.approx((0.0, 4.05)) and first.right == pytest.approx((0.0, 3.95))
    assert second.left == pytest.approx((-0.05, 3.0)) and second.right == pytest.approx((0.05, 3.0))
    assert first.at(first.left[1], 0.05) == pytest.approx(second.at(second.left[0], 0.05))


def test_arched_wall_bulges_to_its_left():
    home = parse_home(
        f"<home>{wall(0, 0, 0, 200, 0, 'arcExtent=' + chr(34) + '3.1415927' + chr(34))}</home>".encode(), "arc"
    )
    pieces = wall_pieces(home.walls)
    points = np.array([p.origin for p in pieces])
    assert len(pieces) >= 20 and points[:, 1].max() == pytest.approx(1.0, abs=0.01)  # half a circle, radius 1 m
    assert np.linalg.norm(points - [1.0, 0.0], axis=1) == pytest.approx(np.ones(len(points)), abs=1e-6)


def test_sloping_wall_and_opening():
    home = parse_home(home_xml().encode(), "tiny")
    pieces = wall_pieces(home.walls)
    cut_openings(pieces, [(i, i.elevation) for i in home.items if i.tag == "doorOrWindow"])
    between, north = pieces[4], pieces[0]
    (begin, end, low, high) = between.openings[0]
    assert (end - begin, low, high) == pytest.approx((0.9, 0.0, 2.05))
    assert north.openings[0] == pytest.approx((1.4, 2.6, 0.9, 2.1))
    assert not pieces[1].openings and not pieces[2].openings
    sloped = parse_home(
        f"<home>{wall(0, 0, 0, 400, 0, 'heightAtEnd=' + chr(34) + '150' + chr(34))}</home>".encode(), "slope"
    )
    assert wall_pieces(sloped.walls)[0].top(2.0) == pytest.approx(2.0)


def test_wall_part_of_an_open_door():
    door = next(i for i in parse_home(home_xml().encode(), "tiny").items if i.catalog_id == "eTeks#door")
    center, half = wall_part(door)
    assert center == pytest.approx(door.center) and half == pytest.approx(0.06)


def test_items_are_turned_to_meters_and_z_up():
    bed: Item = parse_home(home_xml().encode(), "tiny").items[0]
    assert bed.center == pytest.approx([0.9, -1.1]) and bed.size == pytest.approx([1.4, 1.9, 0.5])
    assert bed.angle == pytest.approx(-np.pi)


def test_concave_face_is_not_filled():
    """A U-shaped face covers 3 of 4 unit cells of its box, less the notch."""
    text = "v 0 0 0\nv 3 0 0\nv 3 3 0\nv 2 3 0\nv 2 1 0\nv 1 1 0\nv 1 3 0\nv 0 3 0\nf 1 2 3 4 5 6 7 8\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("u.obj", text)
    with zipfile.ZipFile(buffer) as archive:
        corners, normals, *_ = read_obj(archive, "u.obj", palette={})
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
    assert area == pytest.approx(7.0) and np.allclose(normals, [0, 0, 1])


def test_thin_keeps_shape_and_rows():
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.linspace(0, 1, 60), np.linspace(0, 1, 60)), axis=-1)
    grid = np.concatenate([grid, 0.05 * rng.random((60, 60, 1))], axis=-1)
    quads = np.stack([grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]], axis=2).reshape(-1, 4, 3)
    corners = quads[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3, 3)
    thinned = thin(corners, size=np.ones(3), limit=1500)
    kept = np.linalg.norm(np.cross(thinned[:, 1] - thinned[:, 0], thinned[:, 2] - thinned[:, 0]), axis=1) > 0
    assert thinned.shape == corners.shape and 300 < kept.sum() <= 1500
    assert np.abs(thinned.min((0, 1)) - corners.min((0, 1))).max() < 0.08
