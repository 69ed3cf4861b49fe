"""A description in plain sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chorus.view.query import CERTAIN
from chorus.view.relations import SIDES, Relation

if TYPE_CHECKING:
    from chorus.view.describe import Description, Thing

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
IN_WALL = ("window", "door", "fireplace")
WALL_HUNG = ("picture", "mirror", "curtain", "radiator", "range hood")
FLAT = (*IN_WALL, *WALL_HUNG, "tv")  # told by width and height
TOPS = (
    "bed", "sofa", "stool", "table", "desk", "cabinet", "bookshelf", "nightstand", "dresser", "kitchen counter",
    "refrigerator", "stove", "dishwasher", "washing machine", "tv stand", "piano", "wardrobe", "rug",
)  # fmt: skip
PLURALS = {"bookshelf": "bookshelves", "stairs": "stairs"}
HUNG = ("cabinet", "bookshelf", "tv", "range hood")
HUNG_FROM = 0.4  # of the room's height
NO_SIZE = ("stairs",)  # what is seen of them is seldom all
HIGH = 0.55  # of the room's height, above which a lamp hangs


def sentences(about: Description) -> list[str]:
    """The room, its windows and doors, then its things from large to small: those of one name in one kind of place
    share a sentence. Sizes are told in metres, or not at all where the unit is unknown."""
    said = [_room(about)]
    if not about.things:
        return [*said, "Nothing in it was recognized."]
    groups: dict[tuple, list[int]] = {}
    for row, thing in sorted(enumerate(about.things), key=lambda item: item[1].name not in IN_WALL):
        certain = thing.score >= CERTAIN
        groups.setdefault((thing.name, certain, _place(about, row)), []).append(row)
    said += [
        _sentence([about.things[row] for row in rows], place, certain=certain, size=_size(about, rows, place))
        for (_, certain, place), rows in groups.items()
    ]
    if any(side in place for _, _, place in groups for side in SIDES):
        said.append("North is where y grows.")
    return said


def _room(about: Description) -> str:
    x, y, z = about.room.box.size
    if about.unit == "m":
        return f"The room is about {x:.1f} x {y:.1f} m and {z:.1f} m high."
    ratio = max(x, y) / min(x, y)
    shape = "about as long as it is wide" if ratio < 1.15 else f"about {ratio:.1f} times as long as it is wide"
    return f"The room is {shape}; nothing says how large it is."


def _sentence(things: list[Thing], place: str, *, certain: bool, size: str) -> str:
    name, count = things[0].name, len(things)
    many = count > 1 or name == "stairs"
    if name == "stairs":
        subject = "stairs"
    elif count > 1:
        subject = f"{NUMBERS[count] if count < len(NUMBERS) else count} {plural(name)}"
    else:
        subject = f"{article(name)} {name}"
    if not certain:
        subject = f"what may be {subject}"
    if size:
        subject += f" ({size})"
    verb, where = place.split(" ", 1)
    verbs = {"is": "are", "stands": "stand", "hangs": "hang", "lies": "lie"}
    return f"{subject[0].upper()}{subject[1:]} {verbs[verb] if many else verb} {where}."


def _size(about: Description, rows: list[int], place: str) -> str:
    """Long side by short side as it stands, and its height, from the floor where it stands there: a tabletop is as high
    as its table. Of several their mean; empty where nothing says what a length is."""
    things = [about.things[row] for row in rows]
    if about.unit != "m" or things[0].name in NO_SIZE:
        return ""
    x, y, z = np.mean([thing.box.size for thing in things], axis=0)
    if place.startswith("stands") and not place.startswith("stands on"):
        z = np.mean([thing.box.high[2] for thing in things]) - about.room.box.low[2]
    each = "each " if len(things) > 1 else ""
    long, short = max(x, y), min(x, y)
    if things[0].name in FLAT:
        return f"{each}{long:.1f} m wide, {z:.1f} m high"
    return f"{each}{long:.1f} x {short:.1f} m, {z:.1f} m high"


def _place(about: Description, row: int) -> str:
    """Verb and place: on something, at a wall, in a corner, in the middle; then what larger thing is next to it."""
    thing, room = about.things[row], about.room
    held = [relation for relation in about.relations[row] if _worth_telling(about, row, relation)]
    on = next((relation for relation in held if relation.kind == "on"), None)
    if on is not None and about.things[on.of[0]].name in TOPS and thing.name not in (*IN_WALL, *WALL_HUNG):
        return f"stands on {_the(about, on.of[0])}"
    if thing.name == "lamp" and thing.box.low[2] > room.box.low[2] + HIGH * room.box.size[2]:
        below = next((relation for relation in held if relation.kind == "above"), None)
        return f"hangs over {_the(about, below.of[0])}" if below else "hangs from the ceiling"
    beside = _beside(about, held)
    if thing.name == "rug":
        base = "lies on the floor"
    elif thing.name in HUNG and thing.walls and thing.box.low[2] > room.box.low[2] + HUNG_FROM * room.box.size[2]:
        base = f"hangs at the {thing.walls[0]} wall"
    elif beside and not thing.walls:
        return f"stands {beside}"
    else:
        base = _at_wall(thing)
    return f"{base}, {beside}" if beside else base


def _worth_telling(about: Description, row: int, relation: Relation) -> bool:
    """What stands on or under something is told; what is next to something larger, unless one of them is part of a
    wall."""
    if relation.kind in ("on", "under", "above"):
        return True
    if any(about.things[i].name in IN_WALL for i in (row, *relation.of)):
        return False
    return min(relation.of) < row


def _at_wall(thing: Thing) -> str:
    if thing.name in IN_WALL:
        return f"is in the {thing.walls[0]} wall" if thing.walls else "is in a wall"
    if thing.name in WALL_HUNG:
        return f"is at the {thing.walls[0]} wall" if thing.walls else "is at a wall"
    if len(thing.walls) == 2:
        return f"stands in the {thing.walls[0]}-{thing.walls[1]} corner"
    return f"stands against the {thing.walls[0]} wall" if thing.walls else "stands free in the room"


def _beside(about: Description, held: list[Relation]) -> str:
    for relation in held:
        if relation.kind == "under" and about.things[relation.of[0]].name != "lamp":
            return f"under {_the(about, relation.of[0])}"
        if relation.kind == "between":
            first, second = (about.things[row].name for row in relation.of)
            if first == second:
                return f"between two {plural(first)}"
            return f"between {_the(about, relation.of[0])} and {_the(about, relation.of[1])}"
        if relation.kind == "beside":
            return f"beside {_the(about, relation.of[0])}"
    return ""


def _the(about: Description, row: int) -> str:
    """the bed; a chair, where there are several."""
    name = about.things[row].name
    alone = sum(thing.name == name for thing in about.things) == 1
    return f"the {name}" if alone or name == "stairs" else f"{article(name)} {name}"


def article(name: str) -> str:
    """a or an."""
    return "an" if name[0] in "aeiou" else "a"


def plural(name: str) -> str:
    """Of a name of the vocabulary."""
    return PLURALS.get(name) or (f"{name}es" if name.endswith(("s", "sh", "ch", "x")) else f"{name}s")
