from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

import chorus
from chorus.axes import UPS, axis_name, said
from chorus.errors import InputError
from chorus.frames import Frame
from chorus.io import PointCloud, write_points, write_scene
from chorus.moving import move
from chorus.scene import GaussianScene
from chorus.sources.gravity import Height, find_up, room_height
from chorus.sources.orient import meters_per_unit, orient
from tests.unit.io.splat_files import C0, columns, write
from tests.unit.sources.furnished_room import furnished_room

TURNS = {
    "z up": np.eye(3),
    "y down": np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0.0]]),
    "y up": np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0.0]]),
    "x up": np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0.0]]),
    "z down": np.diag([1, -1, -1.0]),
}
TILTS = {
    "tilted": Rotation.from_euler("xy", [20, 10], degrees=True).as_matrix(),
    "y down, tilted": Rotation.from_euler("xz", [105, 10], degrees=True).as_matrix(),
    "any": Rotation.from_euler("xyz", [70, -35, 15], degrees=True).as_matrix(),
}


@pytest.fixture(scope="module")
def room() -> GaussianScene:
    return furnished_room()


def as_file(scene: GaussianScene) -> GaussianScene:
    """The same numbers, as a file without a word about its frame has them."""
    return replace(scene, frame=Frame(up="assumed", unit="unknown"))


@pytest.mark.parametrize("scale", [1.0, 0.25, 4.0, 40.0])
@pytest.mark.parametrize("kind", TURNS)
def test_a_turned_and_scaled_room_comes_back(room, kind, scale):
    found = orient(as_file(move(room, turn=TURNS[kind], scale=scale)))
    assert found.frame.up == "estimated" and found.frame.label == "m"
    back = float(found.frame.scale * scale)
    assert abs(back - 1) < 0.02
    torch.testing.assert_close(found.means / back, room.means, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(np.asarray(found.frame.rotation), TURNS[kind].T, atol=1e-12)


@pytest.mark.parametrize("kind", TILTS)
def test_a_tilted_room_stands_up_straight(room, kind):
    up = find_up(as_file(move(room, turn=TILTS[kind])))
    assert up.probability > 0.7 and np.degrees(np.arccos(up.direction @ TILTS[kind][:, 2])) < 0.3


@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("kind", TURNS)
def test_other_rooms(seed, kind):
    room = furnished_room((3.0 + 0.4 * seed, 3.2, 2.4 + 0.1 * seed), seed)
    direction = find_up(as_file(move(room, turn=TURNS[kind]))).direction
    assert axis_name(direction) == {"z up": "z", "y down": "-y", "y up": "y", "x up": "x", "z down": "-z"}[kind]


def box(up: str) -> dict[str, np.ndarray]:
    """Six bare faces of 4 x 3 x 2.5 m in equal numbers, isotropic Gaussians, red floor and blue ceiling."""
    draw = np.random.default_rng(2)
    face, points = draw.integers(0, 6, 6000), draw.uniform((0, 0, 0), (4, 3, 2.5), (6000, 3))
    rgb = np.full((6000, 3), 0.6)
    for i, (axis, value) in enumerate(((2, 0.0), (2, 2.5), (0, 0.0), (0, 4.0), (1, 0.0), (1, 3.0))):
        points[face == i, axis] = value
    rgb[face == 0], rgb[face == 1] = (0.9, 0.1, 0.1), (0.1, 0.1, 0.9)
    if up == "-y":
        points = np.stack([points[:, 0], -points[:, 2], points[:, 1]], axis=1)
    table = columns(6000) | dict(zip("xyz", points.T, strict=True)) | {"opacity": np.full(6000, 4.0)}
    table |= {f"f_dc_{i}": (rgb[:, i] - 0.5) / C0 for i in range(3)} | {
        f"rot_{i}": np.full(6000, i == 0) for i in range(4)
    }
    return table | {f"scale_{i}": np.full(6000, np.log(0.06)) for i in range(3)}


@pytest.mark.parametrize("up", ["z", "-y"])
def test_a_bare_box_is_up_along_its_short_side_the_customary_way(tmp_path, up):
    scene = chorus.read(write(tmp_path / "box.ply", box(up)))
    assert axis_name(np.asarray(scene.frame.rotation)[2]) == up and scene.frame.label == "m"
    red = scene.rgb[:, 0] > 0.8
    assert float(scene.means[red, 2].max()) < float(scene.means[~red, 2].max()) - 2.4
    assert f"up is {up} of the file" in said(scene.frame)


def test_an_up_that_is_not_sure_asks_for_it(tmp_path, room):
    (said_of_box,) = chorus.read(write(tmp_path / "box.ply", box("-y"))).report.notes
    assert "which way is up is not sure" in said_of_box and "--up" in said_of_box
    assert not chorus.read(tmp_path / "box.ply", up="-y").report.notes and not orient(as_file(room)).report.notes


def test_what_the_file_says_comes_before_what_it_looks_like(tmp_path):
    scene = chorus.read(write(tmp_path / "box.ply", box("-y"), head=("comment Vertical Axis: y", "comment Unit: cm")))
    assert (scene.frame.up, scene.frame.unit_known) == ("file", "file")
    assert axis_name(np.asarray(scene.frame.rotation)[2]) == "y" and scene.frame.scale == 0.01
    write_scene(tmp_path / "again.ply", scene)  # in the file's frame, and saying so
    again = chorus.read(tmp_path / "again.ply")
    assert again.frame == scene.frame
    torch.testing.assert_close(again.means, scene.means)


@pytest.mark.parametrize(
    ("comment", "up", "scale"),
    [
        ("comment Generated by a tool; Vertical axis: y", "y", None),
        ("comment exported 2025, vertical AXIS: -z, unit: in", "-z", 0.0254),
        ("comment Units: Millimetres", None, 0.001),
        ("comment unit: feet (vertical axis: x)", "x", 0.3048),
    ],
)
def test_a_frame_is_understood_wherever_a_comment_says_it(tmp_path, comment, up, scale):
    scene = chorus.read(write(tmp_path / "box.ply", box("y" if up is None else up), head=(comment,)))
    if up is not None:
        assert axis_name(np.asarray(scene.frame.rotation)[2]) == up and scene.frame.up == "file"
    if scale is not None:
        assert scene.frame.scale == scale and scene.frame.unit_known == "file"


def test_a_unit_that_is_not_understood_is_said(tmp_path):
    scene = chorus.read(write(tmp_path / "box.ply", box("z"), head=("comment Unit: furlong",)))
    assert "unit 'furlong' of a comment is not understood" in scene.report.notes
    assert scene.frame.unit_known == "estimated"


@pytest.mark.parametrize("up", UPS)
def test_what_the_user_says_comes_before_the_file(tmp_path, up):
    path = write(tmp_path / "box.ply", box("z"), head=("comment Vertical Axis: y",))
    scene = chorus.read(path, up=up, unit="ft")
    assert axis_name(np.asarray(scene.frame.rotation)[2]) == up and scene.frame.up == "given"
    assert scene.frame.scale == 0.3048 and scene.frame.unit_known == "given"


def test_kept_axes_and_a_given_scale(tmp_path):
    scene = chorus.read(write(tmp_path / "box.ply", box("-y")), up="keep", scale=2.0)
    assert scene.frame.up == "kept" and np.array_equal(scene.frame.rotation, np.eye(3))
    assert scene.frame.scale == 2.0 and float(scene.means[:, 0].max()) == pytest.approx(8.0, abs=0.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"up": "w"}, "--up"),
        ({"unit": "mile"}, "--unit"),
        ({"scale": 0.0}, "above 0"),
        ({"scale": 1, "unit": "m"}, "both"),
    ],
)
def test_options_that_make_no_sense(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        chorus.read(write(tmp_path / "a.ply", columns(50)), **options)


def test_where_nothing_tells_no_unit_is_claimed(tmp_path):
    scene = chorus.read(write(tmp_path / "a.ply", columns()))
    assert (scene.frame.up, scene.frame.label) == ("assumed", "units")
    assert "scale unknown" in said(scene.frame) and np.array_equal(scene.frame.rotation, np.eye(3))


def test_a_garden_has_no_room_height(room):
    draw = np.random.default_rng(0)
    ground = draw.uniform((-20, -20, 0), (20, 20, 0.1), (4000, 3))
    tree = draw.normal((3, 2, 4), (1, 1, 1.5), (3000, 3))
    assert room_height(np.concatenate([ground, tree])) is None
    assert room_height(room.means.double().numpy()) == (pytest.approx(2.5, abs=0.03), True)


@pytest.mark.parametrize("scale", [1.0, 0.25, 100.0])
def test_walls_that_end_below_a_ceiling_that_is_not_seen(room, scale):
    low = room.select(room.means[:, 2] < 1.7)
    assert room_height(low.means.double().numpy()) == (pytest.approx(1.7, abs=0.05), False)
    found = orient(as_file(move(low, scale=scale))).frame
    assert found.label == "m" and abs(np.log(found.scale * scale)) < found.unit_error and found.unit_error == 0.35


@pytest.mark.parametrize(
    ("height", "ceiling", "scale"),
    [
        (2.5, True, 1),
        (3.9, True, 1),
        (250, True, 0.01),
        (2600, True, 0.001),
        (0.625, True, 4),
        (100, True, 0.025),
        (1.4, False, 1),
        (160, False, 0.01),
        (0.5, False, 4),
    ],
)
def test_units_of_a_height(height, ceiling, scale):
    assert meters_per_unit(Height(height, ceiling)) == pytest.approx(scale)


def test_points_are_turned_as_splats_are(tmp_path, room):
    turned = move(room, turn=TURNS["y down"])
    colors = (room.rgb * 255).byte().numpy()
    write_points(tmp_path / "a.ply", PointCloud(points=turned.means.numpy(), colors=colors))
    scene = chorus.read(tmp_path / "a.ply")
    assert axis_name(np.asarray(scene.frame.rotation)[2]) == "-y"
    torch.testing.assert_close(scene.means, room.means, rtol=1e-4, atol=1e-4)
