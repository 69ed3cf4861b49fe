"""Read a home: walls, rooms, levels and furniture, in metres with z up.

The program draws its plans with y downwards and angles clockwise, in centimetres; both are turned here, once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from chorus.errors import InputError
from chorus.io.archive import open_zip, read_entry

_AGAIN = "Remove it and fetch the packages again."
EXAMPLES = "com/eteks/sweethome3d/io/resources/examples"
Color = tuple[float, float, float]  # sRGB in 0..1


@dataclass(frozen=True, kw_only=True)
class Level:
    """A storey; elevation and height in metres."""

    id: str
    elevation: float
    height: float


@dataclass(frozen=True, kw_only=True)
class Wall:
    """A straight or arched wall; start and end on its axis, arc in radians (0: straight; positive bulges to the
    left)."""

    id: str
    level: str
    start: np.ndarray  # [2] m
    end: np.ndarray  # [2] m
    thickness: float
    height_start: float
    height_end: float
    arc: float
    left_color: Color | None
    right_color: Color | None
    at_start: str | None  # id of the wall joined at start
    at_end: str | None


@dataclass(frozen=True, kw_only=True)
class Room:
    """A floor polygon with its ceiling."""

    index: int
    name: str
    level: str
    points: np.ndarray  # [P, 2] m
    floor_color: Color | None
    ceiling_color: Color | None
    floor_visible: bool
    ceiling_visible: bool

    @property
    def area(self) -> float:
        """Square metres."""
        x, y = self.points.T
        return 0.5 * abs(float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))))


@dataclass(frozen=True, kw_only=True)
class Item:
    """A piece of furniture, a lamp, a door or a window, placed."""

    catalog_id: str
    name: str
    tag: str  # pieceOfFurniture | light | doorOrWindow
    model: str  # path inside the jar
    level: str
    center: np.ndarray  # [2] m
    elevation: float  # m above the level
    size: np.ndarray  # [3] width, depth, height, m
    plan_height: float  # m, height after pitch and roll
    angle: float  # rad, counter-clockwise seen from above
    pitch: float  # rad
    roll: float  # rad
    mirrored: bool
    rotation: np.ndarray  # [3, 3] of the model's own axes
    color: Color | None
    materials: dict[str, Color]
    cut_out: str  # SVG path in the unit square, of doors and windows
    wall_depth: tuple[float, float]  # distance and thickness of the wall part, as fractions of the depth
    group: str = ""  # name of the group it belongs to, if any
    group_id: int = 0  # position of that group, 0 for none


@dataclass(frozen=True, kw_only=True)
class Home:
    """One home."""

    name: str
    wall_height: float
    levels: dict[str, Level]
    walls: tuple[Wall, ...]
    rooms: tuple[Room, ...]
    items: tuple[Item, ...]


def home_names(jar: Path) -> list[str]:
    """Names of the homes inside the jar."""
    with open_zip(jar, fix=_AGAIN) as archive:
        return sorted(Path(n).stem for n in archive.namelist() if n.startswith(EXAMPLES) and n.endswith(".xml"))


def read_home(jar: Path, name: str) -> Home:
    """Parse one home of the jar. Raises InputError for a damaged archive, an unknown home or broken XML."""
    with open_zip(jar, fix=_AGAIN) as archive:
        try:
            text = read_entry(archive, f"{EXAMPLES}/{name}.xml", fix=_AGAIN)
        except KeyError as error:
            raise InputError(jar, expected=f"one of the homes {', '.join(home_names(jar))}", got=f"'{name}'") from error
    return parse_home(text, name)


class _Plain(ElementTree.TreeBuilder):
    """A tree of elements alone: homes define no entities, which can grow without end or name other files."""

    def doctype(self, *_: object) -> None:
        raise ValueError("a document type")


def parse_home(text: bytes, name: str) -> Home:
    """A Home from the bytes of its XML. Raises InputError naming the home and what is wrong."""
    try:
        root = ElementTree.fromstring(text, parser=ElementTree.XMLParser(target=_Plain()))
        default_height = _meters(root, "wallHeight", 250.0)
        levels = {e.attrib["id"]: _level(e) for e in root.findall("level")} or {
            "": Level(id="", elevation=0.0, height=default_height)
        }
        first = next(iter(levels))
        return Home(
            name=name,
            wall_height=default_height,
            levels=levels,
            walls=tuple(_wall(e, first, default_height) for e in root.findall("wall")),
            rooms=tuple(_room(e, i, first) for i, e in enumerate(root.findall("room"))),
            items=tuple(_all_items(root, first)),
        )
    except ElementTree.ParseError as error:
        raise InputError(
            f"{name}.xml", expected="a whole home file", got=error, fix="Fetch the packages again."
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{name}.xml", expected="walls, rooms and items with numbers", got=repr(error)) from error


def _level(e) -> Level:
    return Level(id=e.get("id"), elevation=_meters(e, "elevation"), height=_meters(e, "height", 250.0))


def _wall(e, level: str, default_height: float) -> Wall:
    height = _meters(e, "height", default_height * 100)
    return Wall(
        id=e.get("id", ""),
        level=e.get("level", level),
        start=_point(e, "xStart", "yStart"),
        end=_point(e, "xEnd", "yEnd"),
        thickness=_meters(e, "thickness", 10.0),
        height_start=height,
        height_end=_meters(e, "heightAtEnd", height * 100),
        arc=float(e.get("arcExtent", 0.0)),
        left_color=_color(e.get("leftSideColor")),
        right_color=_color(e.get("rightSideColor")),
        at_start=e.get("wallAtStart"),
        at_end=e.get("wallAtEnd"),
    )


def _room(e, index: int, level: str) -> Room:
    return Room(
        index=index,
        name=(e.get("name") or "").strip(),
        level=e.get("level", level),
        points=np.array([_point(p, "x", "y") for p in e.findall("point")]).reshape(-1, 2),
        floor_color=_color(e.get("floorColor")),
        ceiling_color=_color(e.get("ceilingColor")),
        floor_visible=e.get("floorVisible", "true") == "true",
        ceiling_visible=e.get("ceilingVisible", "true") == "true",
    )


def _all_items(root, level: str):
    """Every placed piece, groups opened (their children carry absolute positions)."""
    yield from _items(root, level, group="", group_id=0)
    for number, e in enumerate(root.iter("furnitureGroup"), start=1):
        yield from _items(e, e.get("level", level), group=e.get("name", ""), group_id=number)


def _items(parent, level: str, *, group: str, group_id: int):
    for e in parent:
        if e.tag in ("pieceOfFurniture", "light", "doorOrWindow") and e.get("visible", "true") == "true":
            yield _item(e, level, group, group_id)


def _item(e, level: str, group: str, group_id: int) -> Item:
    size = np.array([_meters(e, k, None) for k in ("width", "depth", "height")])
    rotation = e.get("modelRotation")
    return Item(
        catalog_id=e.get("catalogId") or "",
        name=(e.get("name") or "").strip(),
        tag=e.tag,
        model=(e.get("model") or "").lstrip("/"),
        level=e.get("level", level),
        center=_point(e, "x", "y"),
        elevation=_meters(e, "elevation"),
        size=size,
        plan_height=_meters(e, "heightInPlan", size[2] * 100),
        angle=-float(e.get("angle", 0.0)),
        pitch=float(e.get("pitch", 0.0)),
        roll=float(e.get("roll", 0.0)),
        mirrored=e.get("modelMirrored") == "true",
        rotation=np.array(rotation.split(), np.float64).reshape(3, 3) if rotation else np.eye(3),
        color=_color(e.get("color")),
        materials={m.get("name"): c for m in e.findall("material") if (c := _color(m.get("color"))) is not None},
        cut_out=e.get("cutOutShape") or "M0,0 v1 h1 v-1 z",
        wall_depth=(float(e.get("wallDistance", 0.0)), float(e.get("wallThickness", 1.0))),
        group=group,
        group_id=group_id,
    )


def _meters(e, key: str, default: float | None = 0.0) -> float:
    value = e.get(key)
    if value is not None:
        return float(value) / 100.0
    if default is None:
        raise KeyError(f"{e.tag} without {key}")
    return default / 100.0


def _point(e, kx: str, ky: str) -> np.ndarray:
    return np.array([float(e.attrib[kx]), -float(e.attrib[ky])]) / 100.0


def _color(text: str | None) -> Color | None:
    if text is None:
        return None
    value = int(text, 16)
    return ((value >> 16 & 255) / 255.0, (value >> 8 & 255) / 255.0, (value & 255) / 255.0)
