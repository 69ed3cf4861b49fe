"""Retrieval and instances on data whose answer is known."""

import numpy as np
import pytest

from chorus.evaluate import instances, retrieval


def test_retrieval_is_perfect_without_noise_and_chance_with_other_features():
    rng = np.random.default_rng(0)
    instance = np.repeat(np.arange(5), 40)
    features = rng.normal(size=(5, 6))[instance] + 0.1 * rng.normal(size=(200, 6))
    clean, ids = retrieval.pool(features, instance)
    assert ids.tolist() == [1, 2, 3, 4]
    assert retrieval.recall_at_1(clean, clean) == 100.0
    assert retrieval.recall_at_1(clean, clean[::-1]) == 0.0
    assert np.isnan(retrieval.recall_at_1(clean[:1], clean[:1]))


@pytest.fixture
def two_boxes():
    """Two clouds of 100 points 1 m apart, of classes 0 and 1, and 30 points of background (class 2)."""
    rng = np.random.default_rng(0)
    positions = np.concatenate([rng.random((100, 3)) * 0.2, rng.random((100, 3)) * 0.2 + 1.0, rng.random((30, 3)) + 3])
    semantic = np.repeat([0, 1, 2], [100, 100, 30])
    return positions, semantic, np.where(semantic < 2, semantic + 1, 0)


def _room(positions, semantic, instance, probability):
    proposals = instances.propose(positions, probability, np.array([True, True, False]))
    return proposals, *instances.overlaps(proposals, semantic, instance)


def test_true_labels_give_full_precision(two_boxes):
    positions, semantic, instance = two_boxes
    assert instances.table([_room(positions, semantic, instance, np.eye(3)[semantic])], 3) == {
        "ap25": 100.0,
        "ap50": 100.0,
        "map": 100.0,
    }


def test_a_wrong_label_loses_its_class(two_boxes):
    positions, semantic, instance = two_boxes
    wrong = np.where(semantic == 1, 0, semantic)  # both boxes called class 0: one hit, one false alarm, one miss
    got = instances.table([_room(positions, semantic, instance, np.eye(3)[wrong])], 3)
    assert got["ap50"] == 50.0


def test_no_proposal_scores_zero(two_boxes):
    positions, semantic, instance = two_boxes
    got = instances.table([_room(positions, semantic, instance, np.eye(3)[np.full(230, 2)])], 3)
    assert got["ap25"] == 0.0
