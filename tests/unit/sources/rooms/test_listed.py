"""The block `generated` of data/scenes.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from chorus.errors import InputError
from chorus.evaluate.rooms import Rooms
from chorus.scene_list import ROOM_KINDS, GeneratedRoom, read_scenes

ROOT = Path(__file__).parents[4]
ONE = "scenes: [{id: a, home: Tiny, room: 0, split: held_out}]\n"


def _read(tmp_path, text: str):
    (tmp_path / "scenes.yaml").write_text(ONE + text)
    return read_scenes(tmp_path / "scenes.yaml")


def test_the_shipped_list_asks_for_none():
    assert not [s for s in read_scenes(ROOT / "data/scenes.yaml") if isinstance(s, GeneratedRoom)]


def test_rooms_are_numbered_and_do_not_depend_on_how_many_there_are(tmp_path):
    few, many = (_read(tmp_path, f"generated: {{count: {n}, seed: 5}}") for n in (3, 20))
    assert [s.id for s in few] == ["a", "gen-0001", "gen-0002", "gen-0003"] and many[:4] == few
    made = [s for s in many if isinstance(s, GeneratedRoom)]
    assert len(made) == 20 and {s.kind for s in made} == set(ROOM_KINDS) and {s.seed for s in made} == {5}
    assert all((s.split, s.domain) == ("train", "main") for s in made)


def test_the_kinds_asked_for_take_turns(tmp_path):
    rooms = _read(tmp_path, "generated: {count: 5, kinds: [hall, bathroom]}")
    assert [s.kind for s in rooms if isinstance(s, GeneratedRoom)] == ["hall", "bathroom", "hall", "bathroom", "hall"]


def test_they_are_trained_on_and_never_scored(tmp_path):
    rooms = Rooms.listed(_read(tmp_path, "generated: {count: 2}"))
    assert list(rooms.probe_train) == ["gen-0001", "gen-0002"] and rooms.scored() == ["a"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("generated: 3", "generated: expected count, and if you like seed and kinds, got 3"),
        ("generated: {}", "expected count, and"),
        ("generated: {seed: 1}", "expected count, and"),
        ("generated: {count: 2, rooms: 3}", "expected count, and"),
        ("generated: {count: -1}", "count: a whole number from 0 to 9999, got -1"),
        ("generated: {count: 10000}", "count: a whole number from 0 to 9999, got 10000"),
        ("generated: {count: many}", "count: a whole number from 0 to 9999, got 'many'"),
        ("generated: {count: true}", "count: a whole number"),
        ("generated: {count: 1, seed: -3}", "seed: a whole number"),
        ("generated: {count: 1, kinds: []}", "kinds: a list of different kinds of rooms, at least one"),
        ("generated: {count: 1, kinds: hall}", "kinds: a list of different kinds"),
        ("generated: {count: 2, kinds: [hall, hall]}", "kinds: a list of different kinds"),
        ("generated: {count: 1, kinds: [hal]}", "expected one of bedroom, .*Did you mean 'hall'"),
        ("generated: {count: 1, kinds: [3]}", "expected one of bedroom"),
    ],
)
def test_a_block_that_makes_no_sense_is_one_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as error:
        _read(tmp_path, text)
    assert "\n" not in str(error.value)


def test_an_id_that_is_taken_is_one_line(tmp_path):
    (tmp_path / "scenes.yaml").write_text("scenes: [{id: gen-0001, home: Tiny, room: 0}]\ngenerated: {count: 1}")
    with pytest.raises(InputError, match="every scene id once, got gen-0001"):
        read_scenes(tmp_path / "scenes.yaml")
