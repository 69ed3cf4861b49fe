"""A home drawn for the tests: two rooms, box furniture, one textured library model; nothing is downloaded."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

_RESOURCES = "com/eteks/sweethome3d/io/resources"
BOX = """mtllib box.mtl
v 0 0 0
v 1 0 0
v 1 0 1
v 0 0 1
v 0 1 0
v 1 1 0
v 1 1 1
v 0 1 1
vt 0 0
vt 1 0
vt 1 1
vt 0 1
usemtl {material}
f 1/1 2/2 3/3 4/4
f 5/4 8/1 7/2 6/3
f 1/1 4/2 8/3 5/4
f 2/2 6/3 7/4 3/1
f 1/2 5/3 6/4 2/1
f 3/2 7/3 8/4 4/1
"""
PANE = "g sweethome3d_window_pane\nf 1/1 2/2 6/3 5/4\n"
MTL = "newmtl wood\nKd 0.6 0.4 0.2\nnewmtl cloth\nKd 1 1 1\nmap_Kd cloth.png\n"


def wall(number: int, x0: float, y0: float, x1: float, y1: float, extra: str = "") -> str:
    """One wall element; centimetres, y downwards."""
    return (
        f'<wall id="w{number}" xStart="{x0}" yStart="{y0}" xEnd="{x1}" yEnd="{y1}" height="250" thickness="10" '
        f'leftSideColor="FFE0E0D0" rightSideColor="FFD0E0E0" {extra}/>'
    )


def item(
    kind: str,
    x: float,
    y: float,
    size: tuple[float, float, float],
    *,
    tag: str = "pieceOfFurniture",
    extra: str = "",
    model: str | None = None,
) -> str:
    """One piece of furniture; size is width, depth, height in centimetres."""
    model = f"{_RESOURCES}/{kind}.obj" if model is None else model
    w, d, h = size
    return (
        f'<{tag} catalogId="eTeks#{kind}" name="{kind}" model="{model}" x="{x}" y="{y}" width="{w}" '
        f'depth="{d}" height="{h}" {extra}/>'
    )


def home_xml(*, items: list[str] | None = None) -> str:
    """A 4 x 3.5 m room and a 4 x 2 m one beside it, joined by a door, with a window to the outside."""
    chain = [(0, 0, 800, 0), (800, 0, 800, 350), (800, 350, 0, 350), (0, 350, 0, 0)]
    joined = [f'wallAtStart="w{(i - 1) % 4}" wallAtEnd="w{(i + 1) % 4}"' for i in range(4)]
    walls = [wall(i, *ends, extra=j) for i, (ends, j) in enumerate(zip(chain, joined, strict=True))]
    walls.append(wall(4, 400, 0, 400, 350))
    items = default_items() if items is None else items
    rooms = [
        '<room name="Living room" floorColor="FF805030"><point x="5" y="5"/><point x="395" y="5"/><point '
        'x="395" y="345"/><point x="5" y="345"/></room>',
        '<room name="Store"><point x="405" y="5"/><point x="795" y="5"/><point x="795" y="345"/><point x="405" '
        'y="345"/></room>',
        '<room name="Niche"><point x="405" y="5"/><point x="505" y="5"/><point x="505" y="45"/></room>',
    ]
    return (
        f'<?xml version="1.0"?><home version="5500" name="Tiny" wallHeight="250">'
        f"{''.join(walls + rooms + items)}</home>"
    )


def default_items() -> list[str]:
    """A bed, a wardrobe, a chair, a lamp, a door between the rooms, a window, and a table whose model is absent."""
    return [
        item("bed", 90, 110, (140, 190, 50), extra='angle="3.1415927"'),
        item("wardrobe", 340, 320, (100, 50, 200), extra='color="FF705030"'),
        item("chair", 320, 60, (45, 45, 90), extra='angle="0.5"'),
        item("pendantLamp", 200, 200, (30, 30, 30), tag="light", extra='elevation="215"'),
        item("door", 400, 200, (90, 12, 205), tag="doorOrWindow", extra='angle="1.5707964"'),
        item("window85x123", 200, 0, (120, 14, 120), tag="doorOrWindow", extra='elevation="90"'),
        item("roundTable", 250, 250, (80, 80, 70), model="nowhere/table.obj"),
    ]


def build_packages(folder: Path, *, xml: str | None = None) -> Path:
    """A folder like the unpacked Debian packages, with the home "Tiny" and the library "Small". Returns it."""
    share = folder / "packages/usr/share/sweethome3d"
    (share / "furniture").mkdir(parents=True)
    with zipfile.ZipFile(share / "sweethome3d.jar", "w") as jar:
        jar.writestr(f"{_RESOURCES}/examples/Tiny.xml", home_xml() if xml is None else xml)
        for kind in ("bed", "wardrobe", "chair", "pendantLamp", "door", "window85x123"):
            jar.writestr(f"{_RESOURCES}/{kind}.obj", BOX.format(material="wood") + (PANE if "window" in kind else ""))
        jar.writestr(f"{_RESOURCES}/box.mtl", MTL)
    with zipfile.ZipFile(share / "furniture/Scopia.sh3f", "w") as library:
        entry = "id#1=Scopia#chair\nname#1=Chair\nmodel#1=/scopia/chair.obj\nwidth#1=45\ndepth#1=45\nheight#1=90\n"
        library.writestr("PluginFurnitureCatalog.properties", entry + "".join(_others()))
        library.writestr("scopia/chair.obj", BOX.format(material="cloth"))
        library.writestr("scopia/box.mtl", MTL)
        library.writestr("scopia/cloth.png", cloth())
    return folder


def _others() -> list[str]:
    """Entries for the other chairs and doors the stand-in table names, all drawn with the same box."""
    from chorus.sources.sweethome3d.catalog import STAND_INS

    names = sorted(
        {n.split("/")[1] for kinds in STAND_INS.values() for n in kinds.split() if n.startswith("Scopia/")} - {"chair"}
    )
    return [
        f"id#{i}=Scopia#{name}\nname#{i}=x\nmodel#{i}=/scopia/chair.obj\nwidth#{i}=500\ndepth#{i}=20\nheight#{i}=20\n"
        for i, name in enumerate(names, start=2)
    ]


def cloth() -> bytes:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[::8] = 255
    pixels[..., 2] = 200
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
