from dataclasses import replace

import pytest
import torch
from torch.nn.functional import normalize

from chorus.errors import InputError
from chorus.teachers.embedded.labels import IGNORED, class_shares, main_instance, on_grid, training_views
from chorus.teachers.embedded.losses import boundary_loss, pair_loss, word_loss


def test_withheld_pixels_have_neither_class_nor_instance(drawn_room):
    rooms = [drawn_room(0), drawn_room(1, names=("unlabelled", "piano", "table", "wall"))]
    views = training_views(rooms, withheld=("piano",))
    assert views.names == ("unlabelled", "chair", "table", "wall")
    for i, capture in enumerate(rooms):
        truth = torch.from_numpy(capture.semantic.astype(int))
        labels = views.labels[views.room == i]
        for old, name in enumerate(capture.class_names):
            expected = views.names.index(name) if name in views.names[1:] else IGNORED
            assert (labels[..., 0][truth == old] == expected).all()
            assert ((labels[..., 1][truth == old] == 0) == (expected == IGNORED)).all()
    assert views.counts.sum() == views.labels[..., 0].numel()


def test_rooms_that_cannot_be_trained_on(drawn_room):
    with pytest.raises(InputError, match="none"):
        training_views([], withheld=())
    with pytest.raises(InputError, match="room 1: expected semantic"):
        training_views([drawn_room(0), replace(drawn_room(1), semantic=None)], withheld=())
    with pytest.raises(InputError, match="room 1"):
        training_views([drawn_room(0), drawn_room(1, width=128)], withheld=())


def test_patches_count_their_pixels():
    classes = torch.zeros(1, 16, 8, dtype=torch.int32)
    classes[0, :8, :6] = 2
    classes[0, :8, 6:] = 1
    shares = class_shares(classes, 5)
    assert shares[0, 0, 0].tolist() == [0, 0.25, 0.75, 0, 0] and not shares[0, 1, 0].any()
    main, share = main_instance(classes)
    assert main[0, :, 0].tolist() == [2, 0] and share[0, :, 0].tolist() == [0.75, 1.0]


def test_labels_on_another_grid_are_those_of_the_nearest_pixel():
    labels = torch.arange(48)[None, :, None].expand(1, 48, 64)
    assert torch.equal(on_grid(labels, 6, 8), labels)
    taller = on_grid(labels, 8, 8)
    assert taller.shape == (1, 64, 64) and taller[0, :, 5].tolist() == [int((row + 0.5) * 0.75) for row in range(64)]
    assert on_grid(torch.zeros(2, 48, 64, 2), 3, 5).shape == (2, 24, 40, 2)


def test_word_loss_prefers_the_right_word_and_ignores_unlabeled():
    words = normalize(torch.randn(4, 16, generator=torch.Generator().manual_seed(0)), dim=-1)
    shares = torch.eye(4)
    right, wrong = (
        word_loss(words, shares, words, torch.ones(4)),
        word_loss(words.roll(1, 0), shares, words, torch.ones(4)),
    )
    assert right < 0.1 < wrong
    assert word_loss(words, torch.zeros(4, 4), words, torch.ones(4)) == 0


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
