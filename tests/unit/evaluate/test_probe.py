"""The probe, retrieval and instances on data whose answer is known."""

import numpy as np
import pytest

from chorus.errors import InputError
from chorus.evaluate import instances, probe, retrieval


def _blobs(seed, rows=600, classes=4, dim=8):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, rows)
    return rng.normal(size=(rows, dim)) * 0.3 + 7.0 + np.eye(classes, dim)[labels] * 3.0, labels


def test_separable_classes_are_separated_on_unseen_rows():
    fitted = probe.train(*_blobs(0), 4, steps=100, seed=0)
    features, labels = _blobs(1)
    assert (fitted.classify(features) == labels).mean() > 0.99


def test_the_same_seed_gives_the_same_bytes():
    one, two = (probe.train(*_blobs(0), 4, steps=30, seed=3) for _ in range(2))
    assert one.weight.numpy().tobytes() == two.weight.numpy().tobytes()


def test_unlabeled_rows_teach_nothing():
    features, labels = _blobs(0)
    noisy, hidden = np.concatenate([features, features * 9]), np.concatenate([labels, np.full(600, -1)])
    one, two = probe.train(features, labels, 4, steps=20, seed=0), probe.train(noisy, hidden, 4, steps=20, seed=0)
    assert np.array_equal(one.weight, two.weight)
    with pytest.raises(InputError, match="labelled training rows"):
        probe.train(features, np.full(600, -1), 4, steps=1, seed=0)


def test_sample_is_sorted_unique_and_seeded():
    rows = probe.sample(1000, 50, seed=1)
    assert (
        len(np.unique(rows)) == 50
        and (np.diff(rows) > 0).all()
        and np.array_equal(rows, probe.sample(1000, 50, seed=1))
    )
    assert probe.sample(10, 50, seed=1).tolist() == list(range(10))


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
