import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chorus.errors import InputError
from chorus.io import (
    PointCloud,
    ply,
    points,
    read_ply,
    read_points,
    read_scene,
    read_scene_or_points,
    scenes,
    write_ply,
    write_points,
)
from chorus.io.ply_table import read_elements, read_table
from chorus.scene import GaussianScene
from tests.unit.io.splat_files import columns, write


def scene_of(n: int, degree: int = 0, seed: int = 0) -> GaussianScene:
    draw = torch.Generator().manual_seed(seed)
    shapes = {
        "means": (n, 3),
        "quats": (n, 4),
        "log_scales": (n, 3),
        "opacity_logits": (n,),
        "sh": (n, (degree + 1) ** 2, 3),
    }
    return GaussianScene(**{name: torch.randn(shape, generator=draw) for name, shape in shapes.items()})


def as_ascii(path, rows: int | None = None, order: str = "ascii"):
    """Rewrite a binary PLY of ours in another encoding."""
    table = read_table(path)[:rows]
    header = "".join(f"property float {name}\n" for name in table.dtype.names)
    head = (
        f"ply\nformat {order} 1.0\ncomment ours\nelement vertex {len(table)}\n{header}element face 0\n"
        f"property list uchar int vertex_indices\nend_header\n"
    )
    if order == "ascii":
        body = "".join(" ".join(repr(float(value)) for value in row) + "\n" for row in table).encode()
    else:
        body = table.astype(table.dtype.newbyteorder(">")).tobytes()
    path.write_bytes(head.encode() + body)


@given(n=st.integers(1, 20), degree=st.integers(0, 3), seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_what_is_written_is_read(tmp_path_factory, n, degree, seed):
    path = tmp_path_factory.mktemp("ply") / "scene.ply"
    scene = scene_of(n, degree, seed)
    write_ply(path, scene)
    for name, tensor in read_ply(path).tensors().items():
        assert torch.equal(tensor, scene.tensors()[name]), name


def test_harmonics_are_stored_channel_by_channel(tmp_path):
    scene = scene_of(3, degree=1)
    write_ply(tmp_path / "scene.ply", scene)
    table = read_table(tmp_path / "scene.ply")
    assert table.dtype.names[:6] == ("x", "y", "z", "nx", "ny", "nz")
    assert (
        table["f_rest_0"][0] == scene.sh[0, 1, 0]
        and table["f_rest_3"][0] == scene.sh[0, 1, 1]
        and table["f_rest_2"][0] == scene.sh[0, 3, 0]
    )


@pytest.mark.parametrize("order", ["ascii", "binary_big_endian"])
def test_other_encodings(tmp_path, order):
    scene = scene_of(5)
    write_ply(tmp_path / "scene.ply", scene)
    as_ascii(tmp_path / "scene.ply", order=order)
    assert torch.equal(read_scene(tmp_path / "scene.ply").means, scene.means)


@pytest.mark.parametrize("name", ["opacity", "rot_3", "scale_1", "f_dc_2", "z"])
def test_missing_property_is_named(tmp_path, name):
    path = tmp_path / "scene.ply"
    write_ply(path, scene_of(4))
    path.write_bytes(path.read_bytes().replace(f" {name}\n".encode(), b" other\n"))
    with pytest.raises(InputError, match=name):
        read_ply(path)


def test_nan_is_counted(tmp_path):
    path = tmp_path / "scene.ply"
    write_ply(path, scene_of(4))
    content = bytearray(path.read_bytes())
    content[-4:] = np.float32("nan").tobytes()  # rot_3 of the last Gaussian
    path.write_bytes(content)
    scene = read_ply(path)
    assert len(scene) == 3 and scene.report.rows.tolist() == [0, 1, 2]
    assert scene.report.notes == ("1 of 4 Gaussians left out: NaN or infinite values",)


@pytest.mark.parametrize("kept", [1, 100, -1])  # bytes
def test_truncated_file(tmp_path, kept):
    path = tmp_path / "scene.ply"
    write_ply(path, scene_of(4))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError) as caught:
        read_ply(path)
    assert "\n" not in str(caught.value)


def test_truncated_ascii(tmp_path):
    path = tmp_path / "scene.ply"
    write_ply(path, scene_of(4))
    as_ascii(path)
    path.write_text("\n".join(path.read_text().split("\n")[:-3]))
    with pytest.raises(InputError, match="cut off"):
        read_ply(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a ply",
        b"ply\nformat ascii 1.0\nelement vertex x\nend_header\n",
        b"ply\nelement vertex 0\nend_header\n",
        b"ply\nformat ascii 1.0\nend_header\n",
    ],
)
def test_no_ply(tmp_path, content):
    (tmp_path / "scene.ply").write_bytes(content)
    with pytest.raises(InputError):
        read_ply(tmp_path / "scene.ply")


def test_a_count_beyond_the_file_reserves_nothing(tmp_path):
    path = tmp_path / "scene.ply"
    write_ply(path, scene_of(4))
    path.write_bytes(path.read_bytes().replace(b"vertex 4\n", b"vertex 4000000000000\n"))
    with pytest.raises(InputError, match="cut off"):
        read_ply(path)


@given(noise=st.binary(max_size=200), at=st.integers(0, 700))
@settings(max_examples=60, deadline=None)
def test_damage_never_raises_anything_else(tmp_path_factory, noise, at):
    path = tmp_path_factory.mktemp("ply") / "scene.ply"
    write_ply(path, scene_of(3))
    content = path.read_bytes()
    path.write_bytes(content[:at] + noise + content[at + len(noise) :])
    try:
        read_ply(path)
    except InputError as error:
        assert "\n" not in str(error)


def test_point_cloud_is_not_a_scene_but_is_read_as_points(tmp_path):
    path = tmp_path / "points.ply"
    cloud = PointCloud(
        points=np.eye(3, dtype=np.float32), colors=np.full((3, 3), 7, np.uint8), normals=np.eye(3, dtype=np.float32)
    )
    write_points(path, cloud)
    with pytest.raises(InputError, match="point cloud"):
        read_ply(path)
    back = read_points(path)
    assert (back.points == cloud.points).all() and (back.colors == 7).all() and (back.normals == cloud.normals).all()


def test_points_with_nan_are_left_out_and_counted(tmp_path):
    rows = np.eye(3, dtype=np.float32)
    rows[1, 2] = np.nan
    write_points(tmp_path / "points.ply", PointCloud(points=rows, normals=np.zeros((3, 3), np.float32)))
    found = read_points(tmp_path / "points.ply")
    assert found.points.tolist() == [[1, 0, 0], [0, 0, 1]] and found.normals is None
    assert found.report.rows.tolist() == [0, 2] and "1 of 3 points left out" in found.report.notes[0]
    write_points(tmp_path / "points.ply", PointCloud(points=np.full((1, 3), np.nan, np.float32)))
    with pytest.raises(InputError, match="in all 1 points"):
        read_points(tmp_path / "points.ply")


@pytest.mark.parametrize(("kind", "factor"), [("u1", 255), ("u2", 65535), ("f4", 1), ("f8", 255), ("i4", 255)])
def test_colors_of_points_in_any_type(tmp_path, kind, factor):
    colors = np.linspace(0, 1, 12).reshape(4, 3)
    table = {"x": np.arange(4.0), "y": np.zeros(4), "z": np.ones(4)}
    scaled = colors * factor if kind.startswith("f") else np.rint(colors * factor)
    table |= dict(zip(("red", "green", "blue"), scaled.T, strict=True))
    path = write(tmp_path / "a.ply", table, types=dict.fromkeys(("red", "green", "blue"), kind))
    np.testing.assert_allclose(read_points(path).colors, colors * 255, atol=0.51)


def test_labels_of_any_type(tmp_path):
    table = columns(4) | {"label": np.array([0.0, np.nan, 2.0, 1e12]), "instance": np.array([1, 2**32 - 1, 3, 4])}
    labels = read_ply(write(tmp_path / "a.ply", table, types={"instance": "f8"})).labels
    assert labels.label.tolist() == [0, -1, 2, -1] and labels.instance.tolist() == [1, -1, 3, 4]


def test_a_ply_is_parsed_once_whatever_it_holds(tmp_path, monkeypatch):
    write_ply(tmp_path / "scene.ply", scene_of(3))
    write_points(tmp_path / "points.ply", PointCloud(points=np.eye(3, dtype=np.float32)))
    write_points(tmp_path / "none.ply", PointCloud(points=np.zeros((0, 3), np.float32)))
    parsed = []
    read = lambda path, **more: parsed.append(path) or read_elements(path, **more)  # noqa: E731
    monkeypatch.setattr(scenes, "read_elements", read)
    monkeypatch.setattr(ply, "read_elements", None)
    monkeypatch.setattr(points, "read_table", None)
    assert isinstance(read_scene_or_points(tmp_path / "scene.ply"), GaussianScene)
    assert np.array_equal(read_scene_or_points(tmp_path / "points.ply").points, np.eye(3))
    with pytest.raises(InputError, match="at least one point"):
        read_scene_or_points(tmp_path / "none.ply")
    assert len(parsed) == 3
    with pytest.raises(InputError, match="nothing there"):
        read_scene_or_points(tmp_path / "absent.ply")


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_no_gaussians_at_all_are_refused(tmp_path, degree):
    rest = {f"f_rest_{i}": np.zeros(0) for i in range(3 * ((degree + 1) ** 2 - 1))}
    write(tmp_path / "a.ply", {**columns(0), **rest})
    with pytest.raises(InputError, match="at least one Gaussian"):
        read_scene(tmp_path / "a.ply")
