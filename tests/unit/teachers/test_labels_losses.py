import math

import pytest
import torch
from torch.nn.functional import normalize

from chorus.teachers.embedded import losses
from chorus.teachers.embedded.labels import main_instance, on_grid, shares_of
from chorus.teachers.embedded.losses import boundary_loss, pair_loss, word_loss


def test_patches_count_their_pixels():
    classes = torch.zeros(1, 16, 8, dtype=torch.int32)
    classes[0, :8, :6] = 2
    classes[0, :8, 6:] = 1
    shares = shares_of(classes, 5)
    assert shares[0, 0, 0].tolist() == [0, 0.25, 0.75, 0, 0] and not shares[0, 1, 0].any()
    main, share = main_instance(classes)
    assert main[0, :, 0].tolist() == [2, 0] and share[0, :, 0].tolist() == [0.75, 1.0]


def test_labels_on_another_grid_are_those_of_the_nearest_pixel():
    labels = torch.arange(48)[None, :, None].expand(1, 48, 64)
    assert torch.equal(on_grid(labels, 6, 8), labels)
    taller = on_grid(labels, 8, 8)
    assert taller.shape == (1, 64, 64) and taller[0, :, 5].tolist() == [int((row + 0.5) * 0.75) for row in range(64)]
    assert on_grid(torch.zeros(2, 48, 64, 2), 3, 5).shape == (2, 24, 40, 2)


def sentences(count: int, dim: int = 16) -> torch.Tensor:
    return normalize(torch.randn(count, dim, generator=torch.Generator().manual_seed(0)), dim=-1)


def test_word_loss_prefers_the_right_word_and_ignores_unlabeled():
    words, each, even = sentences(4), torch.arange(4), torch.ones(4)
    shares = torch.eye(4)
    right = word_loss(words, shares, words=words, of=each, weights=even)
    wrong = word_loss(words.roll(1, 0), shares, words=words, of=each, weights=even)
    assert right < 0.1 < wrong
    assert word_loss(words, torch.zeros(4, 4), words=words, of=each, weights=even) == 0


def test_word_loss_with_one_sentence_a_thing_is_the_cross_entropy_of_torch():
    words, weights = sentences(5), torch.tensor([1.0, 2.0, 0.5, 1.0, 3.0])
    features, truth = sentences(7, 16).flip(0), torch.tensor([0, 1, 2, 3, 4, 1, 0])
    cosines = features @ words.T
    expected = torch.nn.functional.cross_entropy(cosines / losses.WORD_TEMPERATURE, truth, weight=weights)
    expected += (weights[truth] * (1 - cosines[torch.arange(7), truth])).sum() / weights[truth].sum()
    shares = torch.eye(5)[truth]
    assert word_loss(features, shares, words=words, of=torch.arange(5), weights=weights) == pytest.approx(
        float(expected), rel=1e-5
    )


def test_what_else_is_said_of_a_thing_is_no_rival_and_many_sentences_rival_no_more_than_one():
    words = sentences(3)
    asked = {"words": words, "of": torch.arange(3), "weights": torch.ones(3)}
    one = word_loss(words[:1], torch.eye(3)[:1], **asked)
    more = torch.cat([words, words[:1], words[1:2].expand(4, -1)])  # thing 0 said twice, thing 1 five times
    of = torch.tensor([0, 1, 2, 0, 1, 1, 1, 1])
    many = word_loss(words[:1], torch.eye(8)[:1], words=more, of=of, weights=torch.ones(3))
    assert float(many) == pytest.approx(float(one), rel=1e-5)
    by_hand = -math.log(1 / (1 + sum(math.exp((float(words[0] @ w) - 1) / losses.WORD_TEMPERATURE) for w in words[1:])))
    assert float(one) == pytest.approx(by_hand, abs=1e-5)


def test_pair_loss_pulls_instances_together_and_leaves_twins_alone():
    far = torch.eye(4)
    instances, classes, view = torch.tensor([1, 1, 2, 2]), torch.tensor([5, 5, 5, 5]), torch.tensor([0, 0, 1, 1])
    together, apart = far[[0, 0, 2, 2]], torch.tensor([5, 5, 6, 6])
    assert pair_loss(together, instances, apart, view) < pair_loss(far, instances, apart, view)
    twins = far[[0, 0, 0, 0]]  # two chairs, never seen in one view, look the same: no harm
    assert pair_loss(twins, instances, classes, view) < 1e-6
    assert pair_loss(twins, instances, apart, view) > 0.5
    assert pair_loss(far, torch.arange(4), classes, view) == 0


def test_boundary_loss_wants_change_where_the_instance_changes():
    instances = torch.tensor([[[1, 1, 2, 2], [1, 1, 2, 2]]])
    right = torch.eye(2)[instances[0] - 1].permute(2, 0, 1)[None]
    shares = torch.ones(1, 2, 4)
    assert (
        boundary_loss(right, instances, shares)
        < 0.01
        < boundary_loss(torch.ones_like(right) / 2**0.5, instances, shares)
    )
    assert boundary_loss(right, instances, shares * 0.1) == 0
