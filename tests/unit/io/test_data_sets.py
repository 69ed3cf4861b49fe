"""Folders in the layouts of SceneSplat-7K and InteriorGS, with made-up content."""

import json
import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import chorus
from chorus.errors import InputError
from chorus.io import read_npy_features, read_npy_labels, read_scene, write_scene
from chorus.moving import file_means
from tests.unit.io.test_splat_formats import GOLDEN

N, P = 64, 100


@pytest.fixture
def scene_splat(tmp_path) -> Path:
    folder = tmp_path / "scene0000_00"
    write_scene(folder, read_scene(GOLDEN / "source.ply"))
    draw = np.random.default_rng(0)
    arrays = {
        "segment": np.arange(N) % 5 - 1,
        "instance": np.stack([np.arange(N) // 8, np.full(N, -1), np.full(N, -1)], axis=1),
        "normal": draw.normal(size=(N, 3)),
        "pc_coord": draw.random((P, 3)),
        "pc_segment": np.arange(P) % 7,
        "valid_feat_mask": np.arange(N) % 4 != 0,
        "lang_feat": draw.normal(size=(10, 6)).astype(np.float16),
        "lang_feat_index": np.where(np.arange(N) % 3 == 0, -1, np.arange(N) % 10),
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def test_scene_splat_folders(scene_splat):
    scene = chorus.read(scene_splat)
    assert (scene.frame.up, scene.frame.unit_known, scene.frame.label) == ("file", "file", "m")
    assert scene.labels.label.tolist() == (np.arange(N) % 5 - 1).tolist()
    assert scene.labels.instance.tolist() == (np.arange(N) // 8).tolist()
    found = read_npy_labels(scene_splat)
    assert found["instance"].shape == (N,) and found["pc_segment"].shape == (P,) and found["pc_coord"].shape == (P, 3)


def test_language_features_that_ship_with_a_folder(scene_splat):
    rows, index = np.load(scene_splat / "lang_feat.npy"), np.load(scene_splat / "lang_feat_index.npy")
    found = read_npy_features(scene_splat)
    valid = (np.arange(N) % 4 != 0) & (index >= 0)
    assert (found.valid.numpy() == valid).all()
    np.testing.assert_allclose(found.features[valid], rows[index[valid]].astype(np.float32))
    assert (found.features[~valid] == 0).all()

    (scene_splat / "lang_feat_index.npy").unlink()
    with pytest.raises(InputError, match="features of 64 Gaussians"):
        read_npy_features(scene_splat)
    mask = np.load(scene_splat / "valid_feat_mask.npy")
    np.save(scene_splat / "lang_feat.npy", np.arange(mask.sum() * 2.0).reshape(-1, 2))
    found = read_npy_features(scene_splat)  # a row for each valid Gaussian
    np.testing.assert_allclose(found.features[mask][:, 0], np.arange(mask.sum()) * 2.0)


@pytest.mark.parametrize("name", ["segment", "instance", "pc_segment"])
def test_labels_of_another_length(scene_splat, name):
    np.save(scene_splat / f"{name}.npy", np.arange(9))
    with pytest.raises(InputError, match=f"{name}.npy: expected (64|100) rows, got 9"):
        read_npy_labels(scene_splat)


def box(low, high, turn=((1, 0, 0), (0, 1, 0), (0, 0, 1)), order=range(8)) -> list[dict[str, float]]:
    corners = [np.where(side, high, low) for side in product((False, True), repeat=3)]
    middle = (np.array(low) + high) / 2
    corners = [(corner - middle) @ np.transpose(turn) + middle for corner in corners]
    return [dict(zip("xyz", map(float, corners[i]), strict=True)) for i in order]


@pytest.fixture
def interior(tmp_path) -> Path:
    folder = tmp_path / "0001_840000"
    folder.mkdir()
    shutil.copy(GOLDEN / "st.compressed.ply", folder / "3dgs_compressed.ply")
    return folder


NO_NUMBERS = {
    "bytes": lambda array: np.full(array.shape, b"\xff" * 8),
    "words": lambda array: np.full(array.shape, "chair"),
    "complex": lambda array: array.astype(np.complex64),
    "dates": lambda array: np.zeros(array.shape, "M8[s]"),
    "fields": lambda array: np.zeros(array.shape, [("x", "f4"), ("y", "f4")]),
    "raw": lambda array: np.zeros(array.shape, "V4"),
    "one number": lambda array: np.asarray(3),
}


@pytest.mark.parametrize("kind", NO_NUMBERS)
def test_arrays_that_are_no_rows_of_numbers_are_refused(scene_splat, kind):
    """Every file of the folder, whoever reads it."""
    for path in sorted(scene_splat.glob("*.npy")):
        kept = np.load(path)
        np.save(path, NO_NUMBERS[kind](kept))
        refused = 0
        for read in (read_scene, read_npy_labels, read_npy_features):
            try:
                read(scene_splat)
            except InputError as error:
                refused += f"{path.name}: expected a" in str(error)
        assert refused, path.name
        np.save(path, kept)


@pytest.mark.parametrize("labels", [0.5, np.nan, np.inf, 2.0**31, -(2.0**40)])
@pytest.mark.parametrize("name", ["segment", "instance"])
def test_labels_are_whole_numbers(scene_splat, name, labels):
    array = np.load(scene_splat / f"{name}.npy").astype(np.float64)
    np.save(scene_splat / f"{name}.npy", array)
    read_scene(scene_splat)
    array[3] = labels
    np.save(scene_splat / f"{name}.npy", array)
    with pytest.raises(InputError, match=rf"{name}.npy: expected labels that are whole numbers below 2\^31"):
        read_scene(scene_splat)


def test_interior_gs_labels_by_the_smallest_box(interior):
    c = 0.5**0.5
    diamond = np.array([[c, -c, 0], [c, c, 0], [0, 0, 1.0]])
    items = [
        {"ins_id": 7, "label": "sofa", "bounding_box": box((0, 0, 0), (1, 1, 1), order=(5, 3, 0, 6, 1, 7, 4, 2))},
        {"ins_id": 3, "label": "room", "bounding_box": box((-9, -9, -9), (9, 9, 9))},
        {"ins_id": 9, "label": "lamp", "bounding_box": box((1.2, 0, 0), (2.2, 1, 2), diamond)},
        {"ins_id": 1, "label": "wall"},
    ]
    (interior / "labels.json").write_text(json.dumps(items))
    scene = chorus.read(interior)
    assert (scene.frame.up, scene.frame.label) == ("file", "m") and scene.labels.names == ("lamp", "room", "sofa")
    means = file_means(scene)
    lamp = (np.abs((means - [1.7, 0.5, 1]) @ diamond) <= [0.5, 0.5, 1]).all(axis=1)
    sofa = ((means >= 0) & (means <= 1)).all(axis=1)
    assert sofa.sum() > 2 and lamp.sum() > 0
    expected = np.where(sofa, 7, np.where(lamp, 9, 3))
    assert (scene.labels.instance.numpy() == expected).all()
    assert [scene.labels.names[i] for i in scene.labels.label[sofa]] == ["sofa"] * int(sofa.sum())


@pytest.mark.parametrize("corners", [[], [{"x": 0}] * 8, box((0, 0, 0), (1, 1, 1))[:7]])
def test_interior_gs_boxes_that_are_none(interior, corners):
    (interior / "labels.json").write_text(json.dumps([{"ins_id": 1, "label": "a", "bounding_box": corners}]))
    if corners:
        with pytest.raises(InputError, match="labels.json"):
            read_scene(interior)
    else:
        assert (read_scene(interior).labels.label == -1).all()
