"""What people call the things of a room: sentences.yaml, which the training draws from and the search reads."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from chorus.yaml_files import parse_yaml

Part = Literal["train", "validation", "test"]
SENTENCES = Path(__file__).with_suffix(".yaml")


class Sentences(NamedTuple):
    """things: name -> part -> sentences; models: catalogue model -> what it alone is called; shown_by: catalogue model
    -> the thing it shows, where no class of the captures says so."""

    things: Mapping[str, Mapping[Part, tuple[str, ...]]]
    models: Mapping[str, str]
    shown_by: Mapping[str, str]

    def of(self, thing: str, part: Part) -> tuple[str, ...]:
        """The sentences of a thing; none where it has none."""
        return self.things.get(thing, {}).get(part, ())

    def known(self, part: Part) -> list[str]:
        """Things that have sentences in the part."""
        return [thing for thing in self.things if self.of(thing, part)]


@cache
def sentences() -> Sentences:
    """The packaged file."""
    content = parse_yaml(SENTENCES.read_text())
    unlabelled = content["unlabelled"]
    parts: tuple[Part, ...] = get_args(Part)
    things: dict[str, Mapping[Part, tuple[str, ...]]] = {
        name: {part: tuple(entry[part]) for part in parts if part in entry}
        for name, entry in {**content["things"], **unlabelled}.items()
    }
    shown_by = {model: name for name, entry in unlabelled.items() for model in entry["models"]}
    return Sentences(things, content["models"], shown_by)
