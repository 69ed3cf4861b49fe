"""A room drawn of labelled Gaussians, told in sentences and in JSON."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from chorus.frames import Frame
from chorus.scene import scene_from_colors
from chorus.text import prompt
from chorus.view.ask import Search
from chorus.view.describe import arrange, describe
from chorus.view.sentences import plural, sentences
from chorus.view.vocabulary import HELD, vocabulary_of

NAMES = ("wall", "floor", "ceiling", "bed", "nightstand", "lamp", "window", "radiator", "table", "chair", "laptop")
SIZE = np.array([4.0, 3.0, 2.5])
THINGS = [  # name, center of the foot, size
    ("bed", (2.0, 1.95, 0.0), (1.6, 2.0, 0.5)),
    ("nightstand", (0.9, 2.7, 0.0), (0.4, 0.4, 0.5)),
    ("nightstand", (3.1, 2.7, 0.0), (0.4, 0.4, 0.5)),
    ("lamp", (3.1, 2.7, 0.62), (0.15, 0.15, 0.3)),
    ("lamp", (1.0, 1.0, 2.1), (0.4, 0.4, 0.2)),
    ("window", (0.02, 1.0, 1.0), (0.04, 1.2, 1.2)),
    ("radiator", (0.1, 1.0, 0.1), (0.1, 1.0, 0.6)),
    ("table", (3.5, 0.5, 0.68), (0.8, 0.7, 0.08)),
    ("laptop", (3.5, 0.5, 0.85), (0.35, 0.25, 0.05)),
]


def filled(low, size, count: int, draw) -> np.ndarray:
    return np.asarray(low) + draw.random((count, 3)) * size


def room(things=THINGS, *, frame: Frame | None = None, turn: float = 0.0):
    """(scene, labels, share): the shell of a 4 x 3 x 2.5 m room and boxes full of Gaussians in it."""
    draw = np.random.default_rng(0)
    shell = draw.random((6000, 3))
    axis, side = draw.integers(3, size=6000), draw.integers(2, size=6000)
    shell[np.arange(6000), axis] = side
    places, labels = [shell * SIZE], [np.where(axis == 2, 1 + side, 0)]
    for name, foot, size in things:
        low = np.array(foot) - np.array([size[0] / 2, size[1] / 2, 0])
        places.append(filled(low, size, 300, draw))
        labels.append(np.full(300, NAMES.index(name)))
    means, labels = np.concatenate(places), np.concatenate(labels)
    cos, sin = np.cos(turn), np.sin(turn)
    means = means @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]).T
    n = len(means)
    scene = scene_from_colors(
        torch.tensor(means, dtype=torch.float32),
        torch.tensor([[1.0, 0, 0, 0]]).expand(n, 4),
        torch.full((n, 3), 0.03),
        torch.full((n,), 0.9),
        torch.rand(n, 3),
    )
    return replace(scene, frame=frame or Frame()), labels, np.full(n, 0.9, np.float32)


TOLD = """\
The room is about 4.0 x 3.0 m and 2.5 m high.
A window (1.2 m wide, 1.1 m high) is in the west wall.
A bed (1.9 x 1.5 m, 0.5 m high) stands against the north wall.
Two nightstands (each 0.4 x 0.4 m, 0.5 m high) stand against the north wall, beside the bed.
A radiator (1.0 m wide, 0.6 m high) is at the west wall, under the window.
A table (0.8 x 0.7 m, 0.8 m high) stands in the south-east corner.
A lamp (0.4 x 0.4 m, 0.2 m high) hangs from the ceiling.
A lamp (0.1 x 0.1 m, 0.3 m high) stands on a nightstand.
A laptop (0.3 x 0.2 m, 0.0 m high) stands on the table.
North is where y grows."""


def told(scene, labels, share) -> list[str]:
    return sentences(arrange(scene, labels, share, names=NAMES))


def test_a_room_is_told_as_one_would():
    assert sorted(told(*room())) == sorted(TOLD.splitlines())


def test_turning_the_room_by_a_little_changes_no_word():
    turned = told(*room(turn=np.deg2rad(15)))
    assert [line.split("(")[0] for line in turned[1:]] == [line.split("(")[0] for line in told(*room())[1:]]


def test_without_a_unit_nothing_is_told_in_metres():
    about = arrange(*room(frame=Frame(unit="unknown")), names=NAMES)
    lines = sentences(about)
    assert lines[0] == "The room is about 1.3 times as long as it is wide; nothing says how large it is."
    assert "A bed stands against the north wall." in lines and not any(" m " in line or " m)" in line for line in lines)
    assert about.to_json()["unit"] == "units"


def test_what_is_not_sure_is_said_so_and_what_is_unlikely_is_left_out():
    scene, labels, share = room()
    share[labels == NAMES.index("bed")] = 0.4
    share[labels == NAMES.index("table")] = 0.2
    lines = told(scene, labels, share)
    assert any(line.startswith("What may be a bed (") for line in lines) and not any(
        "table (" in line for line in lines
    )


def test_an_empty_room():
    assert told(*room([]))[1:] == ["Nothing in it was recognized."]


def test_what_shows_through_a_door_is_another_rooms():
    assert not any("chair" in line for line in told(*room([("chair", (6.0, 1.5, 0.0), (0.5, 0.5, 0.9))])))


def test_json_holds_places_of_the_file_and_every_relation():
    moved = Frame(scale=2.0, offset=(10.0, 0.0, 0.0))
    about = arrange(*room(frame=moved), names=NAMES).to_json()
    assert json.loads(json.dumps(about)) == about
    bed = next(thing for thing in about["things"] if thing["name"] == "bed")
    np.testing.assert_allclose(bed["position"], [11.0, 0.98, 0.125], atol=0.06)
    assert bed["walls"] == ["north"] and bed["gaussians"] == 300
    names = [thing["name"] for thing in about["things"]]
    (between,) = [relation for relation in bed["relations"] if relation["is"] == "between"]
    assert [names[row] for row in between["of"]] == ["nightstand", "nightstand"]
    laptop = about["things"][names.index("laptop")]
    assert {"is": "on", "of": [names.index("table")]} in laptop["relations"]


def searched(scene, labels) -> Search:
    """A search whose features say the label of every Gaussian."""
    rows = [HELD.index(NAMES[label]) for label in labels]
    eye = torch.eye(len(HELD))
    words = {prompt(name): eye[i] for i, name in enumerate(HELD)}
    text = lambda prompts: torch.stack([words.get(p, torch.ones(len(HELD))) for p in prompts])  # noqa: E731
    return Search(scene, eye[rows], text=text, vocabulary=vocabulary_of("another teacher"))


def test_names_come_from_the_features_and_transparent_gaussians_have_no_say():
    scene, labels, _ = room()
    assert sentences(describe(searched(scene, labels))) == told(*room())
    clear = torch.tensor(labels == NAMES.index("bed"))
    scene = replace(scene, opacity_logits=torch.where(clear, torch.full_like(scene.opacity_logits, -9.0), 3.0))
    assert not any(thing.name == "bed" for thing in describe(searched(scene, labels)).things)


def test_plurals():
    assert [plural(n) for n in ("bookshelf", "couch", "stairs", "bed")] == ["bookshelves", "couches", "stairs", "beds"]


def test_the_room_in_the_box_is_told(tmp_path, monkeypatch, capsys):
    from chorus import cli

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHORUS_ROOT", str(Path(tmp_path)))
    cli.main(["describe", "sample"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("The room is about 4.1 x 2.")
    assert any("bed (" in line and "north" in line for line in lines)
    cli.main(["describe", "sample", "--json"])
    about = json.loads(capsys.readouterr().out)
    assert about["sentences"] == lines and about["scene"] == "sample"
