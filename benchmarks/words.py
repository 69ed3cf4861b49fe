"""How often words find the right thing: ``python -m benchmarks.words --split validation --who teacher``.

Every room is asked for what stands in it, by its name and in everyday words (``sentences.yaml`` of the embedded
teachers), and for what stands in none (words.yaml). An answer is right when most Gaussians of the best object bear the
class asked for; truth is read here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import tyro
import yaml

import chorus
from chorus.io import read_scene
from chorus.scene import GaussianScene
from chorus.splat.labels import load_labels
from chorus.teachers.base import language_of
from chorus.teachers.embedded.sentences import sentences
from chorus.teachers.lift import targets_of
from chorus.teachers.load import load_teachers
from chorus.view.ask import Answer, Search
from chorus.view.vocabulary import vocabulary_of
from chorus.workspace import Workspace

ABSENT = Path(__file__).with_suffix(".yaml")
LEAST = 30  # Gaussians of a class in a room for it to be asked about
Kind = Literal["name", "everyday", "absent"]
Asked = Literal["validation", "test"]


@dataclass(frozen=True)
class Question:
    """words: as asked; wanted: class name, None of what is absent."""

    kind: Kind
    words: str
    wanted: str | None


@dataclass(frozen=True)
class Room:
    name: str
    scene: GaussianScene
    classes: np.ndarray  # [N] class ids
    names: tuple[str, ...]

    def holds(self) -> list[str]:
        counts = np.bincount(self.classes[self.classes > 0], minlength=len(self.names))
        return [name for name, count in zip(self.names, counts, strict=True) if count >= LEAST]


def questions(room: Room, part: Asked) -> Iterator[Question]:
    """What a room is asked, with this part of the wordings."""
    for name in room.holds():
        if wordings := sentences().of(name, part):
            yield Question("name", name, name)
            yield from (Question("everyday", each, name) for each in wordings)
    yield from (Question("absent", each, None) for each in yaml.safe_load(ABSENT.read_text())["absent"][part])


def right(question: Question, asked: Answer, room: Room) -> bool:
    """Whether most Gaussians of the best object are of the class; of what is absent, whether nothing answers."""
    if question.wanted is None:
        return not asked.objects
    if not asked.objects:
        return False
    classes = room.classes[asked.objects[0].rows]
    return np.bincount(classes[classes >= 0], minlength=1).argmax() == room.names.index(question.wanted)


def main(
    who: Literal["student", "teacher"] = "student",
    model: Path | None = None,
    split: Literal["validation", "held_out"] = "validation",
    part: Asked = "validation",
    show: bool = False,
) -> None:
    """Shares of right answers over the rooms of a split.

    Args:
        who: A model, or the language teacher itself, lifted onto the Gaussians (the rooms' targets).
        model: A folder of a model; the workspace's encoder when left out.
        split: Numbers of the search are chosen on validation rooms; held-out ones are for a release.
        part: Which wordings: those numbers are chosen with, or those nothing is chosen or trained with.
        show: Print every wrong answer.
    """
    workspace = Workspace.open()
    searching = _teacher(workspace) if who == "teacher" else _student(workspace, model)
    counts: dict[str, list[bool]] = {}
    for name in workspace.rooms(split=split, domain="main"):
        room = read_room(workspace, name)
        search = searching(room)
        for question in questions(room, part):
            asked = search.ask(question.words)
            good = right(question, asked, room)
            counts.setdefault(question.kind, []).append(good)
            if show and not good:
                print(f"{room.name}: {question.words} ({question.wanted or 'absent'}): {answer_of(asked, room)}")
    print(f"| {who}, {split} rooms, {part} wordings | questions | right |\n|---|---|---|")
    for kind, found in counts.items():
        print(f"| {kind} | {len(found)} | {100 * np.mean(found):.0f} % |")


def _student(workspace: Workspace, model: Path | None) -> Callable[[Room], Search]:
    encoder = chorus.load(model or workspace.store.model("encoder"))
    return lambda room: Search.of(room.scene, encoder)


def _teacher(workspace: Workspace) -> Callable[[Room], Search]:
    chosen = workspace.params.teachers
    text = language_of(load_teachers(chosen, workspace.store)).text
    vocabulary = vocabulary_of(chosen.family)

    def search(room: Room) -> Search:
        features = targets_of(workspace.store, room.name).features("lang")
        return Search(room.scene, features, text=text, vocabulary=vocabulary)

    return search


def read_room(workspace: Workspace, name: str) -> Room:
    folder = workspace.store.scene(name, "gaussians")
    scene = read_scene(folder)
    labels = load_labels(folder / "labels.npz")
    return Room(name, scene, labels.semantic.astype(np.int64), labels.class_names)


def answer_of(asked: Answer, room: Room) -> str:
    if not asked.objects:
        return f"nothing ({asked.score.max():.2f})"
    classes = room.classes[asked.objects[0].rows]
    best = np.bincount(classes[classes >= 0], minlength=1).argmax()
    return f"{room.names[best]} ({asked.objects[0].score:.2f})"


if __name__ == "__main__":
    tyro.cli(main)
