"""Votes against brute force, ground-truth points against the scene they came from."""

from collections import Counter

import numpy as np
import pytest

from chorus.cameras import Cameras, look_at
from chorus.capture import Capture
from chorus.errors import InputError
from chorus.evaluate import points, zero_shot


def test_the_vote_equals_brute_force():
    rng = np.random.default_rng(0)
    splats, targets = rng.random((300, 3)), rng.random((80, 3))
    labels, valid = rng.integers(0, 4, 300), rng.random(300) < 0.8
    rows = zero_shot.nearest(splats, targets, valid, neighbors=7)
    got = zero_shot.vote(labels, rows, 4)
    for point, winner in zip(targets, got, strict=True):
        order = sorted(np.flatnonzero(valid), key=lambda i: np.linalg.norm(splats[i] - point))[:7]
        tally = Counter(labels[i] for i in order)
        assert tally[winner] == max(tally.values())


def test_the_nearer_voters_win_a_tie():
    splats = np.array([[0.0, 0, 0], [1, 0, 0]])
    rows = zero_shot.nearest(splats, np.array([[0.1, 0, 0], [0.9, 0, 0]]), np.ones(2, bool), neighbors=25)
    assert zero_shot.vote(np.array([3, 1]), rows, 5).tolist() == [3, 1]


def test_no_valid_splat_means_no_prediction():
    rows = zero_shot.nearest(np.zeros((2, 3)), np.zeros((3, 3)), np.zeros(2, bool), neighbors=5)
    assert zero_shot.vote(np.zeros(2, int), rows, 4).tolist() == [-1, -1, -1]


def test_classify_takes_the_nearest_word_by_angle():
    text = np.array([[1.0, 0], [0, 1]])
    got = zero_shot.classify(np.array([[10.0, 1], [0.1, 0.2], [1, 0]]), text, np.array([True, True, False]))
    assert got.tolist() == [0, 1, -1]
    with pytest.raises(InputError, match="of the text's width"):
        zero_shot.similarity(np.zeros((3, 5)), text)


def test_the_instance_vote_reads_the_truth():
    got = zero_shot.instance_vote(np.array([1, 1, 2, 0, -1]), np.array([7, 7, 7, 0, 9]), 3)
    assert got.tolist() == [1, 1, 1, 0, -1]


@pytest.fixture
def plane_capture():
    """Two cameras 2 m above a floor whose left half is class 1 and right half class 2."""
    K = np.array([[[40.0, 0, 20], [0, 40, 15], [0, 0, 1]]] * 2)
    poses = np.stack([look_at([0.0, 0, 2], [0.0, 0, 0]), look_at([0.2, 0, 2], [0.2, 0, 0])])
    cameras = Cameras(K=K, cam_from_world=poses, width=40, height=30)
    depth = np.full((2, 30, 40), 2.0, np.float32)
    depth[:, 0] = 0.0
    across = (np.arange(40) + 0.5 - 20) / 40 * 2.0  # camera x of a column, m
    world_x = np.array([[0.0], [0.2]]) + across * np.sign(cameras.world_from_cam[:, 0, 0])[:, None]
    semantic = np.repeat(np.where(world_x < 0, 1, 2)[:, None], 30, axis=1).astype(np.uint8)
    return Capture(
        images=np.zeros((2, 30, 40, 3), np.uint8),
        cameras=cameras,
        depth=depth,
        semantic=semantic,
        instance=(semantic + 4).astype(np.uint16),
        class_names=("unlabelled", "floor", "bed"),
    )


def test_truth_points_lie_on_the_surface_with_its_labels(plane_capture):
    truth = points.truth_points(plane_capture, grid=0.05)
    assert np.abs(truth.positions[:, 2]).max() < 1e-5
    clear = np.abs(truth.positions[:, 0]) > 0.05
    np.testing.assert_array_equal(truth.semantic[clear], np.where(truth.positions[clear, 0] < 0, 1, 2))
    np.testing.assert_array_equal(truth.instance, truth.semantic + 4)
    cells = np.floor((truth.positions - truth.positions.min(axis=0)) / 0.05)
    assert len(truth) < 2 * 29 * 40 and len(np.unique(cells, axis=0)) > 0.9 * len(truth)


def test_renaming_maps_ids_by_name(plane_capture):
    truth = points.truth_points(plane_capture, grid=0.05)
    renamed = truth.renamed(("unlabelled", "floor", "bed"), ("chair", "bed"))
    np.testing.assert_array_equal(renamed.semantic, np.where(truth.semantic == 2, 1, -1))


def test_truth_of_places_reaches_so_far_and_no_farther(plane_capture):
    truth = points.truth_points(plane_capture, grid=0.05)
    semantic, instance = points.truth_of(np.array([[-0.5, 0, 0.02], [0.5, 0, 0.02], [0, 0, 1.0]]), truth, reach=0.1)
    assert semantic.tolist() == [1, 2, -1] and instance.tolist() == [5, 6, 0]


def test_a_capture_without_labels_is_refused(plane_capture):
    bare = Capture(images=plane_capture.images, cameras=plane_capture.cameras)
    with pytest.raises(InputError, match="depth and semantic labels"):
        points.truth_points(bare, grid=0.05)
