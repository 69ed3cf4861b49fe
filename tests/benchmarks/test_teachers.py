"""The slow way that suppression is measured against looks at the same overlaps."""

import numpy as np
import pytest

from benchmarks.teachers import _blobs, _loop_over_pairs, nms
from chorus.teachers.nms import mask_nms, pack


def test_what_no_better_mask_overlaps_is_kept_by_both():
    masks, scores = _blobs(40, height=48, width=64), np.random.default_rng(1).random(40)
    kept, alone = mask_nms(pack(masks), scores, 0.7), _loop_over_pairs(masks, scores, 0.7)
    assert 10 <= len(alone) <= len(kept) < 40 and set(alone) <= set(kept)


@pytest.mark.parametrize("counts", [(12, 24)])
def test_a_line_for_each_count(counts, capsys):
    nms(counts, loop_up_to=12)
    head, first, second = capsys.readouterr().out.splitlines()
    assert first.split()[0] == "12" and second.split()[0] == "24" and second.endswith("(scaled)")
