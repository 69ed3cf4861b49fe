"""The linear probe on data whose answer is known, and beside scikit-learn's."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import jaccard_score
from sklearn.preprocessing import StandardScaler

from chorus.errors import InputError
from chorus.probe import LinearProbe


def blobs(seed, rows=600, classes=4, dim=8, noise=0.3):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, rows)
    return rng.normal(size=(rows, dim)) * noise + 7.0 + np.eye(classes, dim)[labels] * 3.0, labels


def test_separable_classes_are_separated_on_unseen_rows():
    fitted = LinearProbe(4, steps=100).fit(*blobs(0))
    features, labels = blobs(1)
    assert (fitted.predict(features) == labels).mean() > 0.99 and fitted.score(features, labels) > 98


def test_where_classes_overlap_it_does_as_well_as_logistic_regression():
    (x, y), (features, labels) = blobs(0, noise=2.0), blobs(1, noise=2.0)
    scaler = StandardScaler().fit(x)
    peer = LogisticRegression().fit(scaler.transform(x), y).predict(scaler.transform(features))
    wanted = 100 * jaccard_score(labels, peer, average="macro")
    assert LinearProbe().fit(x, y).score(features, labels) == pytest.approx(wanted, abs=2.5) and wanted < 80


def test_the_score_is_scikit_learns_mean_of_iou():
    features, labels = blobs(2, noise=2.0)
    fitted = LinearProbe(steps=20).fit(features, labels)
    wanted = 100 * jaccard_score(labels, fitted.predict(features), average="macro")
    assert fitted.score(features, labels) == pytest.approx(wanted)


def test_scenes_are_learnt_from_and_scored_together():
    features, labels = blobs(0)
    parts, ids = np.split(features, [100, 350]), np.split(labels, [100, 350])
    whole, split = LinearProbe(steps=30).fit(features, labels), LinearProbe(steps=30).fit(parts, ids)
    assert np.array_equal(whole.weight_, split.weight_)
    assert np.array_equal(np.concatenate(split.predict(parts)), whole.predict(features))
    assert split.score(parts, ids) == whole.score(features, labels)


def test_the_same_seed_gives_the_same_bytes():
    one, two = (LinearProbe(steps=30, seed=3).fit(*blobs(0)) for _ in range(2))
    assert one.weight_.numpy().tobytes() == two.weight_.numpy().tobytes()


def test_unlabeled_rows_teach_nothing():
    features, labels = blobs(0)
    noisy, hidden = np.concatenate([features, features * 9]), np.concatenate([labels, np.full(600, -1)])
    one, two = LinearProbe(4, steps=20).fit(features, labels), LinearProbe(4, steps=20).fit(noisy, hidden)
    assert np.array_equal(one.weight_, two.weight_)


def test_what_is_no_lesson_is_refused():
    features, labels = blobs(0)
    with pytest.raises(InputError, match="labelled training rows"):
        LinearProbe(4).fit(features, np.full(600, -1))
    with pytest.raises(InputError, match="a label for each of 600 rows"):
        LinearProbe().fit(features, labels[:-1])
    with pytest.raises(InputError, match="labels of 2 scenes"):
        LinearProbe().fit([features, features], [labels])
    with pytest.raises(InputError, match="class ids, whole numbers"):
        LinearProbe().fit(features, labels * 1.0)
    with pytest.raises(InputError, match="finite features"):
        LinearProbe().fit(np.where(labels[:, None] == 1, np.nan, features), labels)
    with pytest.raises(InputError, match=r"features \[N, D\]"):
        LinearProbe().fit(labels, labels)


def test_answers_need_a_fit_and_features_of_its_width():
    features, labels = blobs(0)
    with pytest.raises(InputError, match="a fitted probe"):
        LinearProbe().predict(features)
    with pytest.raises(InputError, match=r"features \[N, 8\]"):
        LinearProbe(steps=1).fit(features, labels).predict(features[:, :5])
