"""Which models a generated room may draw: training ones only, of every class."""

from __future__ import annotations

from pathlib import Path

import pytest

from chorus.errors import MissingError
from chorus.scene_list import SweetHomeRoom, read_scenes
from chorus.sources.rooms.catalogue import KINDS, LIBRARIES, NEVER, Catalogue
from chorus.sources.rooms.drawn import DRAWN
from chorus.sources.sweethome3d.assemble import assemble
from chorus.sources.sweethome3d.catalog import DEFAULTS, RESERVE, STAND_INS
from chorus.sources.sweethome3d.classes import CLASS_ID, CLASS_NAMES, id_of
from chorus.sources.sweethome3d.fetch import find_homes
from chorus.sources.sweethome3d.models import ModelStore
from tests.unit.sources.rooms.small_library import build_library

ROOT = Path(__file__).parents[4]
DRAWABLE = {name for kind in KINDS.values() for name in kind.models}


def test_models_come_from_the_training_libraries_alone():
    """By the tables: nothing that a held-out room may draw, under any name, and no library that training has not."""
    scenes = [s for s in read_scenes(ROOT / "data/scenes.yaml") if isinstance(s, SweetHomeRoom) and s.domain == "main"]
    train, held_out = ({f for s in scenes if s.split == split for f in s.furniture} for split in ("train", "held_out"))
    assert set(LIBRARIES) == train
    assert {name.partition("/")[0] for name in DRAWABLE} <= train | {DEFAULTS, DRAWN}
    theirs = {n for kinds in STAND_INS.values() for n in kinds.split() if n.partition("/")[0] in held_out}
    assert RESERVE in held_out and len(theirs) > 60
    assert not DRAWABLE & {name.removeprefix(f"{RESERVE}/") for name in theirs}
    assert not DRAWABLE & {f"{DEFAULTS}/{name}" for name in NEVER}


@pytest.mark.slow
def test_no_model_is_one_that_only_test_rooms_show():
    """By the homes themselves: a model drawable here that a held-out or validation room shows, training rooms show
    too, or it is one of the training libraries'."""
    if not (ROOT / "data/homes/packages").exists():
        pytest.skip("needs the packages: chorus fetch")
    homes = find_homes(ROOT / "data/homes")
    store = ModelStore(homes.cache)
    shown = {"train": set(), "validation": set(), "held_out": set()}
    for scene in read_scenes(ROOT / "data/scenes.yaml"):
        if isinstance(scene, SweetHomeRoom):
            shown[scene.split] |= set(assemble(scene, homes, store).info["models"])
    assert not DRAWABLE & (shown["held_out"] - shown["train"])
    defaults = {name for name in shown["validation"] if name.startswith(f"{DEFAULTS}/")}
    assert not DRAWABLE & (defaults - shown["train"])


def test_every_class_has_models():
    labels = {kind.label for kind in KINDS.values()} - {""}
    assert labels == set(CLASS_NAMES) - {"unlabelled", "wall", "ceiling"}
    assert all(len(set(kind.models)) == len(kind.models) or DRAWN in kind.models[-1] for kind in KINDS.values())


def test_an_id_of_a_class_is_of_that_class(tmp_path):
    from chorus.sources.rooms.home import item_of
    from chorus.sources.rooms.space import Placed
    from chorus.sources.sweethome3d.classes import class_of

    catalogue = Catalogue(find_homes(build_library(tmp_path)))
    for kind in KINDS.values():
        model = catalogue.models(kind.name)[0]
        placed = Placed(kind=kind, model=model, size=model.size, center=model.size[:2], angle=0.0)
        assert class_of(item_of(placed, "pieceOfFurniture")) == CLASS_ID.get(kind.label, 0)
    assert id_of("unlabelled") == id_of("") == ""


def test_an_absent_model_is_one_line(tmp_path):
    homes = find_homes(build_library(tmp_path))
    (homes.libraries["Scopia"]).unlink()
    with pytest.raises(MissingError, match="expected the model bed1, got none"):
        Catalogue(find_homes(tmp_path)).models("double bed")
