"""Rooms on disk as the training maps them, and the batches drawn from them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from chorus.errors import InputError
from chorus.teachers.embedded.bank import make_bank
from chorus.teachers.embedded.batches import draw_batch
from chorus.teachers.embedded.labels import IGNORED
from chorus.teachers.embedded.trunk import CHANNELS, Trunk
from chorus.teachers.embedded.views import training_views
from chorus.train.schedule import generator_of


def test_withheld_pixels_have_neither_thing_nor_item(drawn_room, tmp_path):
    rooms = [drawn_room(0), drawn_room(1, names=("unlabelled", "piano", "table", "wall"))]
    views = training_views(iter(rooms), withheld=("piano",), folder=tmp_path)
    assert set(views.names) == {"unlabelled", "chair", "table", "wall"} and views.names[0] == "unlabelled"
    for i, capture in enumerate(rooms):
        mine = views.room == i
        assert torch.equal(views.images[mine], torch.from_numpy(capture.images))
        truth, items = torch.from_numpy(capture.semantic.astype(int)), views.instances[mine].long()
        things = views.items[i].things[items]
        for old, name in enumerate(capture.class_names):
            expected = views.names.index(name) if name in views.names[1:] else IGNORED
            assert (things[truth == old] == expected).all()
            assert ((items[truth == old] == 0) == (expected == IGNORED)).all()
        for number in np.unique(capture.instance):  # an item keeps its pixels together
            for item in items[torch.from_numpy(capture.instance.astype(int)) == number].unique():
                there = items == item
                assert item == 0 or (torch.from_numpy(capture.instance.astype(int))[there] == number).all()
    assert views.counts.sum() == views.instances.numel()


def test_a_thing_no_class_names_is_known_by_its_model(drawn_room, tmp_path):
    names = ("unlabelled", "wall", "unlabelled", "table")
    room = drawn_room(0, names=names)
    room.semantic[room.semantic == 2] = 0
    shown = {str(number): "eTeks/curtains" for number in range(1, 4)}
    views = training_views([replace(room, info={"shown": shown})], withheld=(), folder=tmp_path)
    seen = set(views.items[0].things.tolist())
    assert {views.names[thing] for thing in seen} <= {"unlabelled", "wall", "table", "curtain"}
    curtains = views.items[0].things[views.instances.long()] == views.names.index("curtain")
    assert torch.equal(curtains, torch.from_numpy((room.semantic == 0) & (room.instance > 0)))


def test_rooms_that_cannot_be_trained_on(drawn_room, tmp_path):
    with pytest.raises(InputError, match="none"):
        training_views([], withheld=(), folder=tmp_path)
    with pytest.raises(InputError, match="room 1: expected semantic"):
        training_views([drawn_room(0), replace(drawn_room(1), semantic=None)], withheld=(), folder=tmp_path)
    with pytest.raises(InputError, match="room 1"):
        training_views([drawn_room(0), drawn_room(1, width=128)], withheld=(), folder=tmp_path)


def embed(texts: list[str]) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(len(texts), 8, generator=generator_of(len(texts))), dim=-1)


@pytest.fixture
def views(drawn_room, tmp_path):
    return training_views([drawn_room(i) for i in range(2)], withheld=("piano",), folder=tmp_path)


def test_a_batch_counts_every_supervised_pixel_in_one_sentence_of_its_thing(views):
    bank = make_bank(views.names, [], embed)
    drawn = draw_batch(views, Trunk(), bank=bank, pairs=3, weights=torch.ones(len(views)), generator=generator_of(0, 1))
    assert drawn.shares.shape == (6, 8, 12, len(bank)) and set(drawn.pyramid) == set(CHANNELS)
    whole = drawn.shares.sum(dim=-1)
    assert (whole <= 1 + 1e-6).all() and (whole[drawn.purity == 1] == (drawn.instances > 0)[drawn.purity == 1]).all()
    pure = (drawn.purity == 1) & (drawn.instances > 0)
    said = drawn.shares[pure].argmax(dim=-1)
    assert torch.equal(bank.of[said] + 1, drawn.classes[pure])
    for view in range(6):  # an item is called by one sentence in a view
        for item in drawn.instances[view][pure[view]].unique():
            assert len(drawn.shares[view][pure[view] & (drawn.instances[view] == item)].argmax(dim=-1).unique()) == 1


def test_a_step_draws_the_same_whatever_was_drawn_before(views):
    bank, trunk = make_bank(views.names, [], embed), Trunk()
    asked = {"bank": bank, "pairs": 2, "weights": torch.ones(len(views))}
    first = [draw_batch(views, trunk, generator=generator_of(0, step), **asked) for step in (5, 6)]
    again = draw_batch(views, trunk, generator=generator_of(0, 6), **asked)
    for name in ("shares", "classes", "instances", "purity"):
        assert torch.equal(getattr(again, name), getattr(first[1], name))
    assert all(torch.equal(again.pyramid[s], first[1].pyramid[s]) for s in CHANNELS)
    assert not torch.equal(first[0].pyramid[8], first[1].pyramid[8])


def test_neighbours_come_from_one_room(views):
    from chorus.teachers.embedded import batches

    pairs = batches._pairs(views, 500, torch.ones(len(views)), generator_of(3)).view(-1, 2)
    assert (views.room[pairs[:, 0]] == views.room[pairs[:, 1]]).all()
    assert ((pairs[:, 0] - pairs[:, 1]).abs() <= batches.NEIGHBORS).all() and (pairs[:, 0] != pairs[:, 1]).any()
    rare = torch.zeros(len(views)).index_fill_(0, torch.tensor([2]), 1.0)
    assert (batches._pairs(views, 50, rare, generator_of(3)).view(-1, 2)[:, 0] == 2).all()
