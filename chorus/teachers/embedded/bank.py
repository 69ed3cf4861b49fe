"""The sentences the language decoder is trained with, embedded once; which of them an item is called is drawn anew for
every item and view."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from chorus.teachers.embedded.labels import IGNORED
from chorus.teachers.embedded.sentences import sentences
from chorus.text import prompt

NAMES = 0.5  # how often an item is called by the plain name of its thing
KINDS = 1 / 3  # how often else by what its model alone is called, where that has a sentence


@dataclass(frozen=True, kw_only=True)
class Bank:
    """M sentences about K things; sentence 0 and thing 0 stand for no supervision and have no row in words and of."""

    words: Tensor  # [M, D] unit
    of: Tensor  # [M] the thing of each, counted from 0
    names: dict[int, int]  # thing -> sentence
    others: dict[int, list[int]]  # thing -> its sentences besides the name
    kinds: dict[tuple[int, str], int]  # thing and model -> sentence

    def __len__(self) -> int:
        return len(self.words)

    def draw(self, things: Sequence[int], models: Sequence[str], generator: torch.Generator) -> list[int]:
        """A sentence for each item: its things and models, IGNORED ones among them."""
        draws = torch.rand(len(things), 2, generator=generator).tolist()
        return [self._one(thing, model, *draw) for thing, model, draw in zip(things, models, draws, strict=True)]

    def _one(self, thing: int, model: str, how: float, which: float) -> int:
        if thing == IGNORED:
            return IGNORED
        kind, others = self.kinds.get((thing, model)), self.others.get(thing)
        if kind is not None and how > 1 - KINDS * (1 - NAMES):
            return kind
        return self.names[thing] if how < NAMES or not others else others[int(which * len(others))]


def make_bank(things: Sequence[str], models: Iterable[tuple[int, str]], embed: Callable[[list[str]], Tensor]) -> Bank:
    """things: K + 1 names, [0] not one; models: (thing, model) of the items there are; embed: [T] prompts to [T, D]."""
    texts, of = [], []
    names: dict[int, int] = {}
    others: dict[int, list[int]] = {}
    kinds: dict[tuple[int, str], int] = {}

    def add(thing: int, text: str) -> int:
        texts.append(prompt(text))
        of.append(thing - 1)
        return len(texts)

    for thing, name in enumerate(things[1:], start=1):
        names[thing] = add(thing, name)
        others[thing] = [add(thing, text) for text in sentences().of(name, "train")]
    for thing, model in sorted(set(models)):
        if thing != IGNORED and model in sentences().models:
            kinds[thing, model] = add(thing, sentences().models[model])
    return Bank(words=embed(texts).clone(), of=torch.tensor(of), names=names, others=others, kinds=kinds)
