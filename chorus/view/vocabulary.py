"""The words a question is understood against.

A feature of the embedded language teacher lies near the name of a thing, so a question in other words is understood
through the names it is near. ``HELD`` are names of what rooms hold; ``ELSEWHERE`` names what they do not, so that a
question about a zebra is understood as one about an animal, which no feature answers. The space of a foundation
teacher was learnt from sentences of all kinds and needs no names: ``ANYTHING`` are the phrases it is contrasted with
(as LERF, Kerr et al. 2023, does).
"""

from __future__ import annotations

from typing import NamedTuple

HELD = (
    "wall", "floor", "ceiling", "door", "window", "bed", "sofa", "armchair", "chair", "stool", "table", "desk",
    "cabinet", "wardrobe", "bookshelf", "nightstand", "dresser", "kitchen counter", "refrigerator", "stove",
    "dishwasher", "washing machine", "sink", "toilet", "bathtub", "shower", "lamp", "plant", "tv", "tv stand", "laptop",
    "piano", "fireplace", "radiator", "range hood", "stairs", "curtain", "rug", "picture", "mirror",
)  # fmt: skip
ELSEWHERE = (
    "animal", "bird", "fish", "insect", "person", "car", "truck", "train", "boat", "aircraft", "vehicle", "wheel",
    "musical instrument", "sports equipment", "toy", "game", "tool", "weapon", "machine", "engine", "robot", "building",
    "road", "street sign", "bridge", "tree", "forest", "mountain", "river", "sea", "sky", "weather", "food", "fruit",
    "drink", "clothing", "shoe", "bag", "money", "medicine", "scientific instrument", "ball", "tent", "statue", "shop",
)  # fmt: skip
ANYTHING = ("object", "things", "stuff", "texture")


class Vocabulary(NamedTuple):
    """held: what a feature may be; elsewhere: what a question may mean besides."""

    held: tuple[str, ...]
    elsewhere: tuple[str, ...]


def vocabulary_of(text: str) -> Vocabulary:
    """For a model whose words are embedded by this text tower (``text`` of its configuration)."""
    return Vocabulary(HELD, ELSEWHERE) if text == "embedded" else Vocabulary(ANYTHING, ())
