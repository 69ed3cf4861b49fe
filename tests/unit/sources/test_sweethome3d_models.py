"""Which model stands in for which, and the ones drawn here."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from chorus.errors import InputError, MissingError
from chorus.scene_list import read_scenes
from chorus.sources.sweethome3d.catalog import DEFAULTS, RESERVE, STAND_INS, read_library, stand_ins
from chorus.sources.sweethome3d.furnish import hang
from chorus.sources.sweethome3d.home_xml import Item
from chorus.sources.sweethome3d.own_models import SIZES, own_model
from tests.unit.sources.tiny_home import build_packages

SIZE = np.array([1.4, 0.5, 0.8])
OWN = {"archives": {}, "libraries": (RESERVE,), "in_wall": False, "tolerance": 3.0}


def _entry(number: int, name: str, size: tuple[float, float, float]) -> str:
    width, depth, height = size
    return (
        f"id#{number}={name}\nmodel#{number}=/a/{number}.obj\nwidth#{number}={width}\n"
        f"depth#{number}={depth}\nheight#{number}={height}\n"
    )


def test_no_stand_in_serves_both_sides_of_the_split():
    """Whatever the homes hold: no model that a training room may draw can be drawn for a held-out room, under any
    name."""
    scenes = read_scenes(Path(__file__).parents[3] / "data/scenes.yaml")
    drawable = {}
    for split in ("train", "held_out"):
        libraries = {f for s in scenes if s.domain == "main" and s.split == split for f in s.furniture}
        names = {n for kinds in STAND_INS.values() for n in kinds.split() if n.partition("/")[0] in libraries}
        drawable[split] = {n.removeprefix(f"{RESERVE}/") for n in names}
    assert len(drawable["train"]) > 60 and len(drawable["held_out"]) > 60
    assert not drawable["train"] & drawable["held_out"]
    assert not {n.removeprefix(f"{DEFAULTS}/") for n in drawable["held_out"]} & set(
        STAND_INS
    )  # nor as a training room's default model


@pytest.mark.parametrize("name", SIZES)
def test_own_models_fill_the_unit_cube_and_face_outwards(name):
    model = own_model(name)
    flat = model.corners.reshape(-1, 3)
    assert np.allclose(flat.min(0), -0.5, atol=0.03) and np.allclose(flat.max(0), 0.5, atol=0.03)
    assert np.abs(flat).max() < 0.51 and len(model.materials) > model.material.max()
    boxes = model.corners.reshape(-1, 12, 3, 3)  # each box on its own: its normals point away from its middle
    outward = boxes.mean(2) - boxes.mean((1, 2))[:, None]
    assert ((outward * model.normals.reshape(-1, 12, 3, 3)[:, :, 0]).sum(-1) > 0).all()


def test_a_reserved_model_is_found_where_it_comes_from(tmp_path):
    homes = build_packages(tmp_path)
    share = homes / "packages/usr/share/sweethome3d"
    with zipfile.ZipFile(share / "sweethome3d.jar", "a") as jar:
        jar.writestr(
            "com/eteks/sweethome3d/io/DefaultFurnitureCatalog.properties", _entry(1, "eTeks#dresser", (140, 50, 80))
        )
    archives = {"Scopia": share / "furniture/Scopia.sh3f", DEFAULTS: share / "sweethome3d.jar"}
    assert list(read_library(archives[DEFAULTS])) == ["dresser"]
    [found] = stand_ins("chest", SIZE, archives=archives, libraries=(RESERVE,), in_wall=False, tolerance=1.1)
    assert found.name == "eTeks/dresser" and found.archive == archives[DEFAULTS] and np.allclose(found.size, SIZE)
    [drawn] = stand_ins("piano", np.array(SIZES["uprightPiano"]), **OWN)
    assert drawn.name == "own/uprightPiano" and drawn.archive is None
    assert not stand_ins("piano", SIZE * [1, 1, 9], **OWN)  # nothing of similar proportions
    assert not stand_ins("piano", SIZE, **{**OWN, "libraries": ("Scopia",)})
    with pytest.raises(MissingError, match="loftBed140x190"):
        stand_ins("bunkBed90x190", SIZE, archives=archives, libraries=(RESERVE,), in_wall=False, tolerance=2)


def test_doors_and_windows_keep_their_own_depth():
    thin = np.array([0.92, 0.01, 2.1])
    assert not stand_ins("doorFrame", thin, **OWN)
    assert stand_ins("doorFrame", thin, **{**OWN, "in_wall": True})


def test_an_archive_without_a_catalog_is_one_line(tmp_path):
    with zipfile.ZipFile(tmp_path / "Empty.sh3f", "w") as archive:
        archive.writestr("a.obj", "")
    with pytest.raises(InputError, match="no catalogue in it"):
        read_library(tmp_path / "Empty.sh3f")


def test_a_hung_item_keeps_back_and_top():
    """Turned a quarter: the back, +y of the item, is -x of the world."""
    item = Item(
        catalog_id="eTeks#shower",
        name="",
        tag="pieceOfFurniture",
        model="",
        level="",
        center=np.array([2.0, 3.0]),
        elevation=0.1,
        size=np.array([0.8, 0.8, 2.1]),
        plan_height=2.1,
        angle=np.pi / 2,
        pitch=0.0,
        roll=0.0,
        mirrored=False,
        rotation=np.eye(3),
        color=None,
        materials={},
        cut_out="",
        wall_depth=(0.0, 1.0),
    )
    hung = hang(item, np.array([0.2, 0.2, 0.9]))
    assert np.allclose(hung.center, [2.0 - 0.3, 3.0]) and np.isclose(hung.elevation + hung.plan_height, 2.2)
    assert hung.size.tolist() == [0.2, 0.2, 0.9]
