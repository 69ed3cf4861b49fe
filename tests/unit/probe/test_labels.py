"""Few labels by seed: how many, which, and that fewer are part of more."""

import numpy as np
import pytest

from chorus.errors import InputError
from chorus.probe import POINTS, SHARES, few_points, few_rooms, sample_rows


@pytest.mark.parametrize("count", [1, 7, 24, 400])
@pytest.mark.parametrize("seed", range(3))
def test_few_rooms_are_part_of_more(count, seed):
    chosen = [few_rooms(count, share, seed=seed) for share in SHARES]
    assert [len(rooms) for rooms in chosen] == [max(1, round(share * count)) for share in SHARES]
    assert chosen[-1] == list(range(count))
    for fewer, more in zip(chosen, chosen[1:], strict=False):
        assert set(fewer) <= set(more) and fewer == sorted(set(fewer))


def test_another_seed_chooses_other_rooms_and_points():
    assert len({tuple(few_rooms(24, 0.2, seed=seed)) for seed in range(5)}) > 2
    labels = np.arange(1000) % 5
    assert len({few_points(labels, 20, seed=seed).tobytes() for seed in range(5)}) == 5


def test_few_points_keep_their_names_and_are_part_of_more():
    labels = np.random.default_rng(0).integers(-1, 4, 3000)
    chosen = [few_points(labels, count, seed=1) for count in (*POINTS, 10_000)]
    for found, count in zip(chosen, (*POINTS, (labels >= 0).sum()), strict=True):
        kept = found >= 0
        assert kept.sum() == count and np.array_equal(found[kept], labels[kept]) and (found[~kept] == -1).all()
    for fewer, more in zip(chosen, chosen[1:], strict=False):
        assert (more[fewer >= 0] >= 0).all()


def test_labels_without_a_sign_and_rooms_without_labels():
    found = few_points(np.arange(50, dtype=np.uint8), 5, seed=0)
    assert (found >= 0).sum() == 5 and found.min() == -1
    assert (few_points(np.full(30, -1), 5, seed=0) == -1).all()


@pytest.mark.parametrize("count, share", [(0, 1.0), (5, 0.0), (5, -0.1), (5, 1.1), (5, float("nan"))])
def test_no_room_and_no_share_are_refused(count, share):
    with pytest.raises(InputError, match="a share above 0"):
        few_rooms(count, share, seed=0)


def test_no_point_is_refused():
    with pytest.raises(InputError, match="1 or more a room"):
        few_points(np.zeros(3, int), 0, seed=0)


def test_sampled_rows_are_sorted_unique_and_seeded():
    rows = sample_rows(1000, 50, seed=1)
    assert len(np.unique(rows)) == 50 and (np.diff(rows) > 0).all()
    assert np.array_equal(rows, sample_rows(1000, 50, seed=1))
    assert sample_rows(10, 50, seed=1).tolist() == list(range(10))
