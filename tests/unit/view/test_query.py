"""Objects out of scores, on a scene drawn for the purpose."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from chorus.errors import InputError
from chorus.scene import scene_from_colors
from chorus.view import clusters, query


@pytest.fixture
def scene():
    """A floor of 400 Gaussians and two balls of 60 around (1, 1, 0.5) and (3, 3, 0.5)."""
    rng = np.random.default_rng(0)
    floor = np.stack([*np.meshgrid(np.linspace(0, 4, 20), np.linspace(0, 4, 20)), np.zeros((20, 20))], -1).reshape(
        -1, 3
    )
    balls = [rng.normal(size=(60, 3)) * 0.08 + center for center in ([1, 1, 0.5], [3, 3, 0.5])]
    means = torch.tensor(np.concatenate([floor, *balls]), dtype=torch.float32)
    n = len(means)
    return scene_from_colors(
        means,
        torch.tensor([[1.0, 0, 0, 0]]).expand(n, 4),
        torch.full((n, 3), 0.03),
        torch.full((n,), 0.9),
        torch.rand(n, 3),
    )


def test_two_objects_are_found_where_they_are(scene):
    score = np.concatenate([np.full(400, 0.01), np.full(60, 0.8), np.full(60, 0.6)])
    first, second = query.objects(scene, score)
    np.testing.assert_allclose(first.position, [1, 1, 0.5], atol=0.05)
    np.testing.assert_allclose(second.position, [3, 3, 0.5], atol=0.05)
    assert first.score == pytest.approx(0.8) and len(second.rows) == 60
    assert (0.1 < first.extent).all() and (first.extent < 0.5).all()


def test_nothing_is_found_where_nothing_answers(scene):
    assert query.objects(scene, np.full(520, 0.04)) == []


def unit(*rows) -> np.ndarray:
    return query.unit(np.array(rows, np.float32))


NONE = np.zeros((0, 4), np.float32)


def contrast(held=NONE, *, called=None, elsewhere=NONE, anything=NONE) -> query.Contrast:
    called = held if called is None else called
    return query.Contrast(held=held, called=called, elsewhere=elsewhere, anything=anything)


def test_relevance_is_the_share_of_the_things_a_question_may_mean():
    things = contrast(np.eye(4, dtype=np.float32)[:3])
    features = unit([1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 0])
    for question in (things.held[0], unit([0.6, 0, 0, 0.8])[0]):  # a name, and other words nearest to it
        got = query.relevance(features, question, contrast=things)
        assert got[0] > 0.95 and got[1] < 0.01 and got[2] == pytest.approx(0.5, abs=0.01)


def test_a_question_that_may_mean_two_things_finds_both():
    things = contrast(np.eye(4, dtype=np.float32)[:3])
    got = query.relevance(np.eye(4, dtype=np.float32)[:3], unit([1, 1, 0, 0])[0], contrast=things)
    assert got[0] > 0.95 and got[1] > 0.95 and got[2] < 0.01


def test_a_question_is_understood_by_what_things_are_called_and_answered_by_their_names():
    names = np.eye(4, dtype=np.float32)[:2]
    things = contrast(names, called=unit([1, 0, 1, 0], [0, 1, 0, 1]))
    got = query.relevance(names, unit([0, 0, 0, 1])[0], contrast=things)  # far from both names
    assert got[1] > 0.95 and got[0] < 0.01


def test_a_question_near_to_nothing_known_finds_nothing():
    names = np.eye(4, dtype=np.float32)[:3]
    for cosine, found in ((query.UNKNOWN - 0.1, False), (query.UNKNOWN + 0.1, True)):
        question = unit([cosine, 0, 0, (1 - cosine**2) ** 0.5])[0]
        best = query.relevance(names, question, contrast=contrast(names)).max()
        assert (best > 0.9) if found else (best < query.FAINT)


def test_a_question_about_what_is_elsewhere_finds_nothing():
    held, elsewhere = np.eye(4, dtype=np.float32)[:3], np.eye(4, dtype=np.float32)[3:]
    zebra, features = unit([0.6, 0, 0, 0.8])[0], unit([1, 0, 0, 0], [0, 1, 0, 0])
    assert query.relevance(features, zebra, contrast=contrast(held, elsewhere=elsewhere)).max() < 0.01
    assert query.relevance(features, zebra, contrast=contrast(held)).max() > 0.9  # and would, were it not known


def test_without_a_list_the_nearest_of_the_usual_phrases_is_the_rival():
    anything = np.eye(4, dtype=np.float32)[2:]
    question = np.eye(4, dtype=np.float32)[0]
    features = unit([1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0.5, 0, 0, 0.5])
    got = query.relevance(features, question, contrast=contrast(anything=anything))
    cosines = features @ np.concatenate([question[None], anything]).T / query.TEMPERATURE
    pairs = [np.exp(cosines[:, 0]) / (np.exp(cosines[:, 0]) + np.exp(cosines[:, i])) for i in (1, 2)]
    np.testing.assert_allclose(got, np.minimum(*pairs), rtol=1e-5)
    assert got[0] > 0.99 and got[1] == pytest.approx(0.5) and got[2] < 0.01


def test_widths_that_differ_are_refused():
    with pytest.raises(InputError, match="language features of width 4"):
        query.relevance(np.zeros((2, 3), np.float32), np.eye(4)[0], contrast=contrast(np.eye(4)))


def test_heat_is_gray_without_an_answer_and_warm_with_one(scene):
    cold, warm = query.heat(scene, np.zeros(520)), query.heat(scene, np.ones(520))
    assert np.ptp(cold, axis=1).max() < 1e-6 and (warm[:, 0] - warm[:, 2] > 0.5).all()


def test_components_respect_label_distance_and_size():
    positions = np.array([[0.0, 0, 0], [0.1, 0, 0], [0.2, 0, 0], [5, 0, 0], [0.1, 0.1, 0], [9, 9, 9]])
    labels = np.array([0, 0, 0, 0, 1, -1])
    assert clusters.components(positions, labels, cell=0.1, least=1).tolist() == [0, 0, 0, 1, 2, -1]
    assert clusters.components(positions, labels, cell=0.1, least=2).tolist() == [0, 0, 0, -1, -1, -1]
    assert clusters.components(positions, np.full(6, -1), cell=0.1, least=1).tolist() == [-1] * 6


def clouds() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {
        "room": rng.random((3000, 3)) * [5, 4, 0.02],
        "one place": rng.random((1, 3)),
        "fewer than asked": rng.random((3, 3)),
        "all alike": np.zeros((40, 3)),
        "strays": np.concatenate([rng.random((900, 3)), [[1e5, 0, 0], [0, -1e6, 3]]]),
        "a lump in a hall": np.concatenate([rng.random((2500, 3)) * 1e-3, rng.random((600, 3)) * 50]),
    }


@pytest.mark.parametrize("name", clouds())
def test_spacing_is_that_of_a_tree(name):
    from scipy.spatial import cKDTree

    cloud = clouds()[name]
    count = min(5, len(cloud))
    distance = np.reshape(cKDTree(cloud).query(cloud, k=count)[0], (-1, count))[:, -1]
    np.testing.assert_allclose(clusters._kth_distance(cloud, cloud, count), distance, rtol=1e-12, atol=1e-15)
    assert clusters.spacing(cloud) == pytest.approx(max(np.median(distance), 1e-6))


def test_a_stray_beyond_all_numbers_parts_nothing():
    draw = np.random.default_rng(0)
    near = draw.normal(0, 0.2, (200, 3))
    labels = draw.integers(0, 3, 201)
    far = np.concatenate([near, [[1e6, -1e6, 1e6]]])  # a cell of 1 mm: more cells than a number tells apart
    group = clusters.components(far, labels, cell=0.001, least=1)
    assert np.array_equal(group[:200], clusters.components(near, labels[:200], cell=0.001, least=1))
    wide = clusters.components(far, labels, cell=0.5, least=1)
    assert len(set(wide[:200])) < 12 and wide[200] not in wide[:200]


@pytest.mark.parametrize("seed", range(4))
def test_components_are_those_of_a_graph(seed):
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    rng = np.random.default_rng(seed)
    positions, labels = rng.random((800, 3)) * [3, 3, 0.5 * seed], rng.integers(-1, 3, 800)
    cells = np.floor(positions / 0.12)
    near = cKDTree(cells).sparse_distance_matrix(cKDTree(cells), 1.0, p=np.inf, output_type="coo_matrix")
    touching = np.zeros((800, 800), bool)
    touching[near.row, near.col] = True
    touching &= (labels[:, None] == labels) & (labels >= 0)
    part = connected_components(touching, directed=False)[1]
    group = clusters.components(positions, labels, cell=0.12, least=1)
    rows = labels >= 0
    assert (group[~rows] == -1).all()
    assert ((part[rows, None] == part[rows]) == (group[rows, None] == group[rows])).all()
    first = [int(np.flatnonzero(group == i)[0]) for i in range(group.max() + 1)]
    assert first == sorted(first)


def test_a_query_waits_for_no_import_it_can_do_without():
    script = (
        "import sys, chorus.view.ask, chorus.view.named, chorus.encoder.encode, chorus.encoder.read\n"
        "import torch, chorus.teachers.embedded.text\n"
        "from chorus.encoder.heads import Space\n"
        "with torch.device('meta'): Space(4)\n"
        "unwanted = {'scipy', 'sympy', 'huggingface_hub', 'transformers', 'sentence_transformers'}\n"
        "print(*sorted(unwanted & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
