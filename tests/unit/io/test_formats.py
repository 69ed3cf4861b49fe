from dataclasses import replace

import numpy as np
import pytest
import torch

from chorus.errors import InputError
from chorus.frames import Frame
from chorus.io import (
    open_features,
    read_features,
    read_npy_folder,
    read_npy_labels,
    read_scene,
    read_splat,
    write_features,
    write_npy_folder,
    write_scene,
)
from chorus.scene import ReadReport, SplatLabels, scene_from_colors


def scene_of(n: int):
    draw = torch.Generator().manual_seed(n)
    u = torch.rand(n, 14, generator=draw)
    return scene_from_colors(u[:, :3] * 4, u[:, 3:7] - 0.5, u[:, 7:10] * 0.1 + 0.01, u[:, 10] * 0.9 + 0.05, u[:, 11:])


def test_splat_round_trip(tmp_path):
    scene = scene_of(40)
    write_scene(tmp_path / "scene.splat", scene)
    back = read_scene(tmp_path / "scene.splat")
    order = [int((scene.means - mean).norm(dim=1).argmin()) for mean in back.means]
    scene = scene.select(torch.tensor(order))
    assert torch.equal(back.means, scene.means) and sorted(order) == list(range(40))
    assert torch.allclose(back.rgb, scene.rgb, atol=1 / 255) and torch.allclose(
        back.opacities, scene.opacities, atol=1 / 255
    )
    assert torch.allclose(back.unit_quats, scene.unit_quats, atol=0.03) and torch.allclose(back.scales, scene.scales)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_splat_of_a_wrong_size(tmp_path, size):
    (tmp_path / "scene.splat").write_bytes(b"\0" * size)
    with pytest.raises(InputError, match="multiple of 32"):
        read_splat(tmp_path / "scene.splat")


def test_splat_with_nan(tmp_path):
    (tmp_path / "scene.splat").write_bytes(b"\xff" * 32)  # every float is NaN
    with pytest.raises(InputError, match="1 of 1 Gaussians left out: NaN"):
        read_splat(tmp_path / "scene.splat")


def test_npy_folder_round_trip(tmp_path):
    scene, segment = scene_of(7), np.arange(7)
    write_npy_folder(tmp_path, scene, {"segment": segment})
    back = read_scene(tmp_path)
    assert torch.equal(back.means, scene.means) and torch.allclose(back.opacities, scene.opacities, atol=1e-5)
    assert torch.allclose(back.scales, scene.scales, rtol=1e-5) and torch.allclose(back.rgb, scene.rgb, atol=1 / 255)
    assert (read_npy_labels(tmp_path)["segment"] == segment).all()


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("scale", None, "scale.npy"),
        ("quat", np.zeros((3, 4), np.float32), "quat.npy"),
        ("opacity", np.full(7, 2.0), "opacities in"),
        ("scale", np.full((7, 3), -1.0), "linear scales"),
        ("coord", np.full((7, 3), np.nan), "7 of 7 Gaussians left out"),
        ("color", np.array([{}], dtype=object), "color.npy"),
        ("color", np.linspace(-1, 1, 21).reshape(7, 3), r"colors in 0..1 or 0..255, got -1 to 1"),
        ("color", np.full((7, 3), 300.0), r"colors in 0..1 or 0..255, got 0 to 300"),
    ],
)
def test_npy_folder_with_a_bad_array(tmp_path, name, array, message):
    write_npy_folder(tmp_path, scene_of(7))
    (tmp_path / f"{name}.npy").unlink()
    if array is not None:
        np.save(tmp_path / f"{name}.npy", array, allow_pickle=True)
    with pytest.raises(InputError, match=message):
        read_npy_folder(tmp_path)


@pytest.mark.parametrize("name", ["absent.ply", "notes.txt"])
def test_unknown_or_absent_scene(tmp_path, name):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match=name):
        read_scene(tmp_path / name)


def test_features_round_trip_and_equal_bytes(tmp_path):
    features, valid = (
        torch.randn(5, 3, generator=torch.Generator().manual_seed(0)),
        torch.tensor([1, 1, 0, 1, 0]).bool(),
    )
    for name in ("a", "b"):
        write_features(tmp_path / name, features, valid=valid, info={"model": "tiny", "level": 2, "scene": "x"})
    back = read_features(tmp_path / "a")
    assert (
        torch.equal(back.features, features.half().float())
        and torch.equal(back.valid, valid)
        and back.info["level"] == 2
    )
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_features_that_cannot_be(tmp_path):
    with pytest.raises(InputError, match="finite"):
        write_features(tmp_path / "a", torch.full((1, 2), 1e6))
    (tmp_path / "b").write_bytes(b"nothing")
    with pytest.raises(InputError, match="safetensors"):
        read_features(tmp_path / "b")
    with pytest.raises(InputError):
        read_features(tmp_path / "absent")


def test_rows_are_written_in_any_order_and_all_of_them(tmp_path):
    features = torch.randn(9, 4)
    write_features(tmp_path / "whole", features, info={"a": 1})
    with open_features(tmp_path / "parts", rows=9, channels=4, info={"a": 1}) as writer:
        for rows in ([8, 2, 3], [], [0, 1, 7, 4, 5], [6]):
            writer.write(torch.tensor(rows, dtype=torch.int64), features[rows])
    assert (tmp_path / "parts").read_bytes() == (tmp_path / "whole").read_bytes()
    with (
        pytest.raises(InputError, match="all 9 rows, got 2"),
        open_features(tmp_path / "short", rows=9, channels=4) as writer,
    ):
        writer.write(torch.tensor([1, 2]), features[:2])
    with (
        pytest.raises(InputError, match=r"shape \[1, 4\]"),
        open_features(tmp_path / "short", rows=9, channels=4) as writer,
    ):
        writer.write(torch.tensor([1]), features[:2])
    assert not list(tmp_path.glob("*short*"))


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("a.ply", ()),
        ("a.compressed.ply", ("positions", "labels", "up and unit")),
        ("a.spz", ("positions", "labels", "up and unit")),
        ("a.splat", ("positions", "labels", "colors that change", "up and unit")),
        ("a", ("colors that change", "up and unit")),
    ],
)
def test_what_a_format_has_no_place_for_is_said(tmp_path, name, left):
    plain = scene_of(30)
    assert write_scene(tmp_path / name, plain) == ()
    scene = replace(
        plain,
        sh=torch.cat([plain.sh, torch.zeros(30, 3, 3)], dim=1),
        frame=Frame(offset=(500000.0, 5412345.0, 431.0)),
        labels=SplatLabels(label=torch.zeros(30, dtype=torch.int32)),
        report=ReadReport(unit=0.01),
    )
    said = write_scene(tmp_path / name, scene)
    assert len(said) == len(left) and all(line.startswith(start) for line, start in zip(said, left, strict=True))
    assert "5412345" in " ".join(said) or "positions" not in left
