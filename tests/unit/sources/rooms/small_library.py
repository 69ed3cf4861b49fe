"""The packages as a generated room needs them: every model of its catalogue, each a box of a likely size; nothing is
downloaded."""

from __future__ import annotations

import zipfile
from pathlib import Path

from chorus.sources.rooms.catalogue import KINDS
from chorus.sources.rooms.drawn import DRAWN
from tests.unit.sources.tiny_home import BOX, MTL, PANE, cloth

# kind -> width, depth, height in centimetres of its first model; every further one is a little larger
SIZES = {
    "double bed": (150, 205, 90),
    "single bed": (92, 205, 80),
    "bunk bed": (112, 205, 160),
    "crib": (68, 124, 100),
    "sofa": (165, 80, 85),
    "corner sofa": (230, 165, 86),
    "armchair": (72, 74, 82),
    "chair": (42, 46, 88),
    "desk chair": (52, 52, 92),
    "stool": (38, 38, 46),
    "bar stool": (44, 46, 90),
    "dining table": (120, 75, 74),
    "round table": (90, 90, 74),
    "coffee table": (100, 50, 45),
    "desk": (110, 60, 74),
    "wall cabinet": (55, 34, 75),
    "cabinet": (70, 40, 170),
    "wardrobe": (95, 55, 180),
    "bookshelf": (90, 35, 180),
    "nightstand": (38, 38, 50),
    "dresser": (100, 50, 80),
    "counter": (48, 61, 87),
    "island": (94, 70, 83),
    "refrigerator": (60, 66, 140),
    "stove": (60, 62, 85),
    "dishwasher": (60, 65, 85),
    "washing machine": (59, 60, 84),
    "kitchen sink": (98, 62, 97),
    "washbasin": (58, 43, 87),
    "hung washbasin": (50, 42, 34),
    "toilet": (40, 62, 70),
    "bathtub": (163, 70, 58),
    "corner bathtub": (140, 140, 60),
    "shower": (79, 79, 205),
    "ceiling lamp": (40, 40, 60),
    "floor lamp": (36, 36, 150),
    "desk lamp": (16, 30, 44),
    "table lamp": (26, 26, 42),
    "wall lamp": (24, 12, 26),
    "floor plant": (45, 45, 80),
    "small plant": (20, 20, 35),
    "tv": (56, 28, 50),
    "wall tv": (103, 11, 66),
    "tv stand": (120, 44, 50),
    "laptop": (34, 26, 24),
    "piano": (140, 50, 90),
    "fireplace": (115, 36, 105),
    "radiator": (48, 12, 58),
    "towel radiator": (48, 15, 110),
    "range hood": (60, 45, 45),
    "stairs": (75, 220, 362),
    "door": (88, 16, 206),
    "open door": (88, 66, 206),
    "door frame": (90, 10, 206),
    "sliding door": (90, 8, 206),
    "window": (85, 30, 125),
    "high window": (60, 20, 60),
    "french window": (95, 30, 205),
    "curtain": (140, 14, 225),
    "desk things": (14, 16, 12),
    "shelf things": (16, 16, 20),
    "kitchen things": (20, 20, 24),
    "table things": (18, 18, 14),
    "bath things": (8, 8, 14),
    "floor things": (36, 34, 34),
    "big things": (60, 70, 110),
}
_RESOURCES = "com/eteks/sweethome3d/io/resources"


def build_library(folder: Path) -> Path:
    """A folder like the unpacked packages, with all models of the catalogue. Returns it."""
    share = folder / "packages/usr/share/sweethome3d"
    (share / "furniture").mkdir(parents=True)
    for library in ("Scopia", "BlendSwap-CC-BY"):
        with zipfile.ZipFile(share / f"furniture/{library}.sh3f", "w") as archive:
            archive.writestr("PluginFurnitureCatalog.properties", "".join(_entries(library)))
            _shapes(archive, "shapes")
    with zipfile.ZipFile(share / "sweethome3d.jar", "w") as jar:
        listing = "com/eteks/sweethome3d/io/DefaultFurnitureCatalog.properties"
        jar.writestr(listing, "".join(_entries("eTeks")))
        _shapes(jar, _RESOURCES)
    return folder


def _shapes(archive: zipfile.ZipFile, folder: str) -> None:
    archive.writestr(f"{folder}/box.obj", BOX.format(material="wood"))
    archive.writestr(f"{folder}/pane.obj", BOX.format(material="cloth") + PANE)
    archive.writestr(f"{folder}/box.mtl", MTL)
    archive.writestr(f"{folder}/cloth.png", cloth())


def _entries(library: str) -> list[str]:
    """Catalogue entries of one library; a model of two kinds has the size of the first."""
    found: dict[str, str] = {}
    for kind in KINDS.values():
        for i, name in enumerate(n for n in kind.models if not n.startswith(f"{DRAWN}/")):
            at, model = name.split("/")
            if at == library and model not in found:
                number, grown = len(found) + 1, 1.0 + 0.03 * (i % 4)
                width, depth, height = (round(side * grown, 1) for side in SIZES[kind.name])
                shape = "pane" if "window" in kind.name else "box"
                folder = _RESOURCES if library == "eTeks" else "shapes"
                found[model] = (
                    f"id#{number}={library}#{model}\nname#{number}=x\nmodel#{number}=/{folder}/{shape}.obj\n"
                    f"width#{number}={width}\ndepth#{number}={depth}\nheight#{number}={height}\n"
                )
    return list(found.values())
