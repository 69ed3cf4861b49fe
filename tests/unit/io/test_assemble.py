import numpy as np
import pytest
import torch

from chorus.errors import InputError
from chorus.io import read_scene, write_scene
from tests.unit.io.splat_files import C0, columns, write


def same(a, b) -> None:
    for name, tensor in a.tensors().items():
        torch.testing.assert_close(tensor, b.tensors()[name], msg=name, rtol=1e-5, atol=1e-5)


def read(tmp_path, table, **more):
    return read_scene(write(tmp_path / "scene.ply", table, **more))


def test_two_scales_are_flat_gaussians(tmp_path):
    table = columns()
    scene = read(tmp_path, {name: values for name, values in table.items() if name != "scale_2"})
    assert len(scene) == 400 and float(scene.scales[:, 2].max()) < 1e-8
    np.testing.assert_allclose(scene.log_scales[:, 0], table["scale_0"], rtol=1e-6)


def test_infinite_opacity_is_one_and_zero(tmp_path):
    table = columns()
    table["opacity"][:120], table["opacity"][120:140] = np.inf, -np.inf
    scene = read(tmp_path, table)
    assert len(scene) == 400 and not scene.report.notes
    assert (scene.opacities[:120] == 1).all() and float(scene.opacities[120:140].max()) < 1e-8


def test_rows_of_zeros_are_left_out_and_counted(tmp_path):
    table = columns()
    for values in table.values():
        values[60:] = 0
    scene = read(tmp_path, table)
    same(scene, read(tmp_path, {name: values[:60] for name, values in table.items()}))
    assert scene.report.notes == ("340 of 400 Gaussians left out: no rotation (a quaternion of zeros)",)
    assert scene.report.total == 400 and scene.report.rows.tolist() == list(range(60))


@pytest.mark.parametrize(
    ("name", "value", "cause"),
    [
        ("x", np.nan, "NaN"),
        ("y", np.inf, "NaN"),
        ("f_dc_1", np.nan, "NaN"),
        ("opacity", np.nan, "NaN"),
        ("scale_0", np.nan, "NaN"),
        ("scale_1", 95.0, "a size no number holds"),
        ("scale_1", np.inf, "a size no number holds"),
        ("scale_2", 12.0, "larger than the scene"),
        ("x", 5000.0, "far outside"),
    ],
)
def test_a_few_bad_items_never_stop_a_whole(tmp_path, name, value, cause):
    table = columns()
    table[name][[7, 300]] = value
    scene = read(tmp_path, table)
    assert len(scene) == 398 and scene.report.notes[0].startswith("2 of 400 Gaussians left out: ")
    assert cause in scene.report.notes[0] and len(scene.report.notes) == 1
    assert 7 not in scene.report.rows.tolist()


def test_floaters_far_away_are_left_out_and_a_wide_background_is_not(tmp_path):
    table = columns(3000)
    for axis in "xyz":
        table[axis][:2] = 5000.0
    scene = read(tmp_path, table)
    assert len(scene) == 2998 and float(scene.means.max()) < 5
    assert scene.report.notes == ("2 of 3000 Gaussians left out: far outside the scene",)
    table = columns(3000)
    table["x"][:300] *= 60.0  # a tenth of the scene is its background
    assert len(read(tmp_path, table)) == 3000


@pytest.mark.parametrize("rows", [1, 4])
def test_tiny_files(tmp_path, rows):
    assert len(read(tmp_path, {name: values[:rows] for name, values in columns().items()})) == rows


def test_all_in_one_place_and_flat(tmp_path):
    table = columns()
    for axis in "xyz":
        table[axis][:] = 1.0
    table["scale_2"][:] = -np.inf
    scene = read(tmp_path, table)
    assert len(scene) == 400 and scene.log_scales.isfinite().all()


def test_nothing_valid_is_refused_and_says_why(tmp_path):
    table = columns(20)
    for i in range(4):
        table[f"rot_{i}"][:] = 0
    with pytest.raises(InputError, match=r"at least one valid Gaussian, got 20, of which 20 of 20 .*zeros") as caught:
        read(tmp_path, table)
    assert "\n" not in str(caught.value)


def test_the_fourth_degree_is_refused_with_what_to_do(tmp_path):
    table = columns() | {f"f_rest_{i}": np.zeros(400) for i in range(72)}
    with pytest.raises(InputError, match=r"degree 4 .*filter-harmonics 3"):
        read(tmp_path, table)


@pytest.mark.parametrize(("kind", "factor"), [("u1", 255.0), ("f4", 1.0), ("f8", 1.0), ("u2", 65535.0), ("f4", 255.0)])
def test_colors_in_place_of_harmonics(tmp_path, kind, factor):
    table = columns()
    rgb = {name: table.pop(f"f_dc_{i}") * C0 + 0.5 for i, name in enumerate(("red", "green", "blue"))}
    whole = kind.startswith("u")
    table |= {name: np.rint(values * factor) if whole else values * factor for name, values in rgb.items()}
    scene = read(tmp_path, table, types=dict.fromkeys(rgb, kind))
    np.testing.assert_allclose(scene.rgb.T, np.stack(list(rgb.values())), atol=0.51 / 255 if whole else 1e-6)


def test_surveyed_coordinates_keep_their_digits_and_come_back(tmp_path):
    offset, table = np.array([691234.25, 5334567.75, 515.5]), columns()
    local = read(tmp_path, table)
    for axis, shift in zip("xyz", offset, strict=True):
        table[axis] = table[axis] + shift
    types = dict.fromkeys("xyz", "f8")
    scene = read(tmp_path, table, types=types)
    assert float(scene.means.abs().max()) < 10 and np.any(scene.frame.offset)
    np.testing.assert_allclose(scene.frame.to_file(scene.means.numpy()) - offset, local.means, atol=1e-6)
    write_scene(tmp_path / "again.ply", scene)
    again = read_scene(tmp_path / "again.ply")
    assert again.frame == scene.frame and torch.equal(again.means, scene.means)
    write_scene(tmp_path / "folder", scene)
    np.testing.assert_allclose(np.load(tmp_path / "folder/coord.npy") - offset, local.means, atol=1e-6)


HEADERS = {
    "CRLF": {"end": "\r\n"},
    "BOM": {"start": b"\xef\xbb\xbf"},
    "ascii": {"format": "ascii"},
    "ascii CRLF": {"format": "ascii", "end": "\r\n"},
    "big endian": {"format": "binary_big_endian"},
    "comment with end_header": {"head": ("comment made with end_header in mind", "obj_info num_cols 3")},
    "ascii comment": {"head": ("comment made with end_header in mind",), "format": "ascii"},
    "doubles": {"types": {"x": "f8", "opacity": "f8", "rot_2": "f8"}},
    "element before": {"before": (("element camera 1", "property float fx", "property float fy"), bytes(8))},
    "list after": {
        "after": (("element face 1", "property list uchar int vertex_indices"), b"\x03" + bytes(12)),
        "end": "\r\n",
    },
}


@pytest.mark.parametrize("kind", HEADERS)
def test_headers_of_every_kind(tmp_path, kind):
    table = columns()
    expected = read(tmp_path, table)
    table |= {"nx": np.zeros(400), "red": np.full(400, 200.0), "confidence": np.ones(400)}
    order = list(table)
    np.random.default_rng(5).shuffle(order)
    same(read(tmp_path, table, order=order, **HEADERS[kind]), expected)


def test_a_promise_of_many_rows_reserves_nothing(tmp_path):
    for format in ("ascii", "binary_little_endian"):
        path = write(tmp_path / "scene.ply", columns(4), format=format)
        path.write_bytes(path.read_bytes().replace(b"vertex 4", b"vertex %d" % 2**60))
        with pytest.raises(InputError, match="cut off"):
            read_scene(path)


@pytest.mark.parametrize("name", ["opacity", "rot_1", "scale_0", "f_dc_2", "f_rest_3"])
def test_whole_numbers_that_were_packed_are_refused(tmp_path, name):
    table = columns() | {f"f_rest_{i}": np.zeros(400) for i in range(9)}
    table[name] = np.arange(400) % 256
    with pytest.raises(InputError, match=rf"float or double {name}, got whole numbers"):
        read(tmp_path, table, types={name: "u1"})


def test_opacities_and_sizes_as_they_are_drawn_are_refused(tmp_path):
    table = columns()
    table["opacity"] = 1 / (1 + np.exp(-table["opacity"]))
    assert len(read(tmp_path, table)) == 400  # logits may well lie in 0..1
    table |= {f"scale_{i}": np.exp(table[f"scale_{i}"]) for i in range(3)}
    with pytest.raises(InputError, match=r"before the sigmoid and sizes as logarithms.*log\(o / \(1 - o\)\)"):
        read(tmp_path, table)


@pytest.mark.parametrize("types", [{"y": "f8"}, {"x": "i4"}, {"x": "i4", "y": "f8", "z": "u2"}])
def test_every_position_keeps_the_digits_of_its_own_type(tmp_path, types):
    table = columns()
    for axis, kind in types.items():
        table[axis] = table[axis] + 5334567.75 if kind == "f8" else np.rint(table[axis] * 1000)
    scene = read(tmp_path, table, types=types)
    found = scene.frame.to_file(scene.means.numpy())
    np.testing.assert_allclose(found, np.stack([table[axis] for axis in "xyz"], axis=1), rtol=1e-6, atol=1e-4)


def test_single_floats_that_cannot_hold_a_survey(tmp_path):
    table = columns()
    far = {"x": table["x"] + 691234.0, "y": table["y"] + 5334567.0}
    with pytest.raises(InputError, match="steps are 1[23]% of the scene. Export positions as doubles"):
        read(tmp_path, table | far)
    scene = read(tmp_path, table | {"x": far["x"]})
    assert "positions are rounded to 1.6% of the scene" in scene.report.notes[0]
    assert not read(tmp_path, table | far, types=dict.fromkeys("xyz", "f8")).report.notes


@pytest.mark.parametrize("format", ["binary_little_endian", "ascii"])
def test_rows_that_the_header_does_not_promise_are_told(tmp_path, format):
    path = write(tmp_path / "scene.ply", columns(), format=format)
    path.write_bytes(path.read_bytes().replace(b"element vertex 400", b"element vertex 300"))
    scene = read_scene(path)
    assert len(scene) == 300 and "behind the rows that the header promises" in scene.report.notes[0]


def test_one_in_thirty_far_away_does_not_hide_the_scene(tmp_path):
    table = columns(3000)
    for axis in "xyz":
        table[axis][:100] = 5000.0 + np.arange(100)
    assert read(tmp_path, table).report.notes == ("100 of 3000 Gaussians left out: far outside the scene",)
