"""The words a question is understood against.

A feature of the embedded language teacher lies near what a thing is called, so a question in other words is understood
through the things it may mean. ``HELD`` are things that rooms hold, each known by its name and by the sentences that
the teacher is trained with; ``ELSEWHERE`` names what rooms do not hold, so that a question about a zebra is understood
as one about an animal, which no feature answers. The space of a foundation teacher was learnt from sentences of all
kinds and needs no list: ``ANYTHING`` are the phrases a question is contrasted with (as LERF, Kerr et al. 2023, does).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from chorus.teachers.embedded.sentences import sentences

HELD = (
    "wall", "floor", "ceiling", "door", "window", "bed", "sofa", "armchair", "chair", "stool", "table", "desk",
    "cabinet", "wardrobe", "bookshelf", "nightstand", "dresser", "kitchen counter", "refrigerator", "stove",
    "dishwasher", "washing machine", "sink", "toilet", "bathtub", "shower", "lamp", "plant", "tv", "tv stand", "laptop",
    "piano", "fireplace", "radiator", "range hood", "stairs", "curtain", "picture", "mirror",
)  # fmt: skip
SHELL = ("wall", "floor", "ceiling")  # what a room is, not what stands in it
ELSEWHERE = (
    "animal", "wild animal", "pet", "farm animal", "bird", "fish", "insect", "person", "monster",
    "car", "truck", "bus", "train", "two-wheeler", "motor vehicle", "emergency vehicle", "farm machine", "boat", "ship",
    "aircraft", "spacecraft", "vehicle", "wheel", "musical instrument", "string instrument", "orchestra",
    "sports equipment", "water sports", "winter sports", "sports field", "toy", "game", "playground", "tool", "weapon",
    "machine", "engine", "robot", "optical instrument", "scientific instrument", "medical instrument", "building",
    "bridge", "tower", "church", "shop", "market", "hospital", "factory", "airport", "harbor", "museum", "road",
    "traffic", "street sign", "street furniture", "garden", "tree", "forest", "mountain", "desert", "river", "sea",
    "beach", "sky", "weather", "snow and ice", "fire", "food", "fruit", "drink", "clothing", "shoe", "bag", "jewelry",
    "money", "medicine", "needlework", "ball", "camping", "statue", "circus", "party", "garbage", "rope",
)  # fmt: skip
EMBEDDED = Path(__file__).with_name("words.npy")  # by release/words.py: embedding them is most of a query's time
ANYTHING = ("object", "things", "stuff", "texture")


class Vocabulary(NamedTuple):
    """held: what a feature may be, of each thing its name and what else it is called; elsewhere: what a question may
    mean besides; anything: phrases that fit whatever there is, where no list is needed."""

    held: tuple[tuple[str, ...], ...] = ()
    elsewhere: tuple[str, ...] = ()
    anything: tuple[str, ...] = ()
    embedded: np.ndarray | None = None  # [2 H + E, C] unit: held names, middles of all they are called, elsewhere


def vocabulary_of(text: str) -> Vocabulary:
    """For a model whose words are embedded by this text tower (``text`` of its configuration)."""
    if text != "embedded":
        return Vocabulary(anything=ANYTHING)
    held = tuple((name, *sentences().of(name, "train")) for name in HELD)
    return Vocabulary(held, ELSEWHERE, embedded=np.load(EMBEDDED, allow_pickle=False))


def known_words() -> list[str]:
    """Names and other sayings of what rooms hold, for a list to choose from."""
    parts = ("train", "validation", "test")
    return [*HELD, *(saying for name in HELD for part in parts for saying in sentences().of(name, part))]
