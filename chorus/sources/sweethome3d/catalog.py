"""Furniture libraries: which catalogue model may stand in for which default model."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chorus.errors import InputError, MissingError
from chorus.io.archive import open_zip, read_entry
from chorus.sources.sweethome3d.own_models import SIZES

OWN = "own"  # models drawn by own_models.py
DEFAULTS = "eTeks"  # the program's own catalogue, in its jar
RESERVE = "reserve"  # a library made of models that no other library's entries below name: "reserve/Scopia/..."

# Same kind of thing, by default model; "library/model". Judged by name, size and looks: an ottoman is no armchair.
STAND_INS = {
    "armchair": "Scopia/armchair Scopia/armchair2 Scopia/modern_armchair BlendSwap-CC-BY/armchair1 "
    "BlendSwap-CC-BY/fotel "
    "BlendSwap-CC-BY/armChair2 BlendSwap-CC-0/armchair2 BlendSwap-CC-0/modernArmchair "
    "BlendSwap-CC-0/winchesterArmchair "
    "KatorLegaz/mid-century-chair",
    "bath": "BlendSwap-CC-BY/bath_jay_hardy reserve/Scopia/islandBath",
    "fittedBath": "BlendSwap-CC-BY/bath_jay_hardy reserve/Scopia/islandBath",
    "bed": "Scopia/bed1 Scopia/iron_bed BlendSwap-CC-BY/lettoCloud BlendSwap-CC-0/bed1 BlendSwap-CC-0/bed2 "
    "BlendSwap-CC-0/bedWithTexture BlendSwap-CC-0/bed3",
    "bed140x190": "Scopia/bed1 Scopia/iron_bed BlendSwap-CC-BY/lettoCloud BlendSwap-CC-0/bed1 "
    "BlendSwap-CC-0/bed2 BlendSwap-CC-0/bedWithTexture "
    "BlendSwap-CC-0/bed3",
    "bed90x190": "Scopia/children_bed Scopia/captains-bed BlendSwap-CC-BY/juniorBed BlendSwap-CC-0/bed1 "
    "BlendSwap-CC-0/bed2",
    "bunkBed90x190": "BlendSwap-CC-BY/bunkBed reserve/eTeks/loftBed140x190",
    "bedsideTable": "BlendSwap-CC-BY/bedsideTable BlendSwap-CC-0/bedsideTable2 reserve/eTeks/dresser",
    "bookcase": "BlendSwap-CC-BY/bookcase Scopia/kids_shelves BlendSwap-CC-0/bookcase "
    "BlendSwap-CC-0/verticalShelves KatorLegaz/full-bookcase",
    "chair": "Scopia/chair Scopia/chair3 Scopia/chair4 Scopia/plastic_chair Scopia/tubular_chair "
    "Scopia/white_kitchen_chair Scopia/armchair3 "
    "BlendSwap-CC-BY/chairWithCushion BlendSwap-CC-BY/ella_chair_f BlendSwap-CC-BY/kitchenChair BlendSwap-CC-BY/chair3 "
    "BlendSwap-CC-BY/plaidChair BlendSwap-CC-BY/cafe_set_tonon_chair BlendSwap-CC-0/chair2 BlendSwap-CC-0/antiqueChair "
    "BlendSwap-CC-0/chairWithCushion BlendSwap-CC-0/plasticChair BlendSwap-CC-0/sillaBlanca "
    "BlendSwap-CC-0/thonet KatorLegaz/dining-chair",
    "chest": "BlendSwap-CC-BY/dresserWithDrawers BlendSwap-CC-BY/chest reserve/eTeks/dresser",
    "clothesWasher": "Scopia/clothes_washing_machine BlendSwap-CC-BY/washing_machine reserve/Scopia/dryer_machine",
    "cooker": "BlendSwap-CC-BY/largeStove KatorLegaz/propane-stove BlendSwap-CC-0/oven",
    "cornerSofa": "BlendSwap-CC-BY/cornerSofa BlendSwap-CC-0/L_shaped_sofa BlendSwap-CC-0/sofa",
    "electricRadiator": "BlendSwap-CC-BY/modernRadiator BlendSwap-CC-BY/bathroomRadiator "
    "BlendSwap-CC-0/radiator2 BlendSwap-CC-0/radiator3",
    "hotWaterRadiator": "BlendSwap-CC-BY/modernRadiator BlendSwap-CC-BY/radiatorAndTowels "
    "BlendSwap-CC-0/radiator BlendSwap-CC-0/radiator3",
    "flatTV": "Scopia/wall-flat-tv Scopia/tv BlendSwap-CC-0/led_tv",
    "flowers": "BlendSwap-CC-BY/tulip BlendSwap-CC-BY/tulips BlendSwap-CC-0/orchids BlendSwap-CC-0/littlePlant",
    "fridgeFreezer": "KatorLegaz/fridge BlendSwap-CC-0/refrigerator BlendSwap-CC-0/largeFridge",
    "kitchenCabinet": "BlendSwap-CC-BY/kitchenLowerCabinet BlendSwap-CC-BY/kitchenSmallLowerCabinet "
    "BlendSwap-CC-BY/kitchenDrawersCabinet "
    "BlendSwap-CC-0/lowerCabinet BlendSwap-CC-0/drawersCabinet",
    "kitchenUpperCabinet": "BlendSwap-CC-BY/kitchenUpperCabinet BlendSwap-CC-BY/kitchenSmallUpperCabinet "
    "BlendSwap-CC-0/upperCabinet "
    "BlendSwap-CC-0/glassDoorCabinet BlendSwap-CC-0/smallUpperCabinet",
    "piano": "BlendSwap-CC-BY/piano reserve/own/uprightPiano",
    "plant": "Scopia/maceta Scopia/ficus Scopia/bonsai-tree BlendSwap-CC-BY/mediumIndoorPlant "
    "BlendSwap-CC-BY/yuccaPlant "
    "BlendSwap-CC-BY/decorativePlant BlendSwap-CC-0/decorativePlant BlendSwap-CC-0/plant BlendSwap-CC-0/augalas",
    "roundTable": "Scopia/round-table Scopia/table3 BlendSwap-CC-BY/cafe_set_mota_table BlendSwap-CC-0/oakTable "
    "KatorLegaz/cafe-table",
    "squareTable": "Scopia/table4 Scopia/white_kitchen_table Scopia/wooden_table_office "
    "Scopia/table-with-leaning-feet Scopia/living_room_table "
    "Scopia/coffee-table2 Scopia/coffee_table Scopia/black_table BlendSwap-CC-BY/table BlendSwap-CC-BY/coffeeTable "
    "BlendSwap-CC-0/table BlendSwap-CC-0/tableWithTablecloth KatorLegaz/folding-table KatorLegaz/glass-dining-table",
    "shower": "BlendSwap-CC-0/showerStall",
    "sink": "BlendSwap-CC-BY/kitchenSink BlendSwap-CC-0/sinkCabinet",
    "sofa": "Scopia/simple_sofa Scopia/clear_sofa Scopia/beige_sofa Scopia/leather_sofa Scopia/burlap_sofa "
    "Scopia/sofa_white_beige "
    "BlendSwap-CC-BY/sofa2 BlendSwap-CC-BY/sofa3 BlendSwap-CC-BY/couch3 BlendSwap-CC-0/couch BlendSwap-CC-0/sofa2 "
    "BlendSwap-CC-0/winchesterSofa KatorLegaz/mid-century-sofa",
    "stool": "Scopia/kitchen_stool Scopia/bar_chair BlendSwap-CC-BY/green_stool BlendSwap-CC-0/stool "
    "BlendSwap-CC-0/stool2 KatorLegaz/bar-stool",
    "toiletUnit": "BlendSwap-CC-BY/modernToilet BlendSwap-CC-BY/toilets_unit_jay_hardy BlendSwap-CC-0/toiletsUnit",
    "tvUnit": "BlendSwap-CC-BY/tvStand BlendSwap-CC-0/televisionCabinet",
    "wardrobe": "Scopia/wardrobe1 BlendSwap-CC-BY/wardrobe BlendSwap-CC-BY/wardrobe2 "
    "BlendSwap-CC-0/wardrobeWithSlidingDoors BlendSwap-CC-0/cupboard",
    "washbasin": "BlendSwap-CC-BY/washbasin_jay_hardy Scopia/small_lavatory BlendSwap-CC-0/washbasin",
    "washbasinWithCabinet": "Scopia/bathroom3 BlendSwap-CC-BY/washbasin_jay_hardy BlendSwap-CC-0/modernVanity "
    "BlendSwap-CC-0/washbasin",
    "pendantLamp": "BlendSwap-CC-BY/hangingLight KatorLegaz/hanging-restaurant-light",
    "floorUplight": "Scopia/living_lamp KatorLegaz/pedestal-vase-lamp",
    "workLamp": "Scopia/desk_lamp1 Scopia/little_lamp1 Scopia/little_lamp2 Scopia/table_lamp "
    "BlendSwap-CC-BY/lamp BlendSwap-CC-0/desklamp "
    "BlendSwap-CC-0/lamp2 KatorLegaz/pedestal-vase-lamp",
    "wallUplight": "BlendSwap-CC-0/wallLight KatorLegaz/wall-lamp-artwork",
    "laptop": "BlendSwap-CC-BY/laptop KatorLegaz/apple-ibook-2001",
    "door": "Scopia/door Scopia/puerta KatorLegaz/exterior-door-01 KatorLegaz/exterior-door-02 "
    "KatorLegaz/exterior-door-05",
    "frontDoor": "Scopia/door KatorLegaz/exterior-door-03 KatorLegaz/exterior-door-07",
    "doubleWindow126x123": "Scopia/window_2x3_regular Scopia/window_2x4 KatorLegaz/window-01 "
    "reserve/eTeks/doubleOutwardOpeningWindow",
    "doubleWindow126x163": "Scopia/window_2x3_regular Scopia/window_2x4 KatorLegaz/window-08 "
    "reserve/eTeks/doubleOutwardOpeningWindow",
    "doubleHungWindow80x122": "Scopia/turn-window KatorLegaz/window-01 KatorLegaz/window-08",
    "window85x123": "Scopia/turn-window KatorLegaz/window-01 KatorLegaz/window-08-02",
    "window85x163": "Scopia/turn-window KatorLegaz/window-01 KatorLegaz/window-08-02",
    "fixedWindow85x123": "Scopia/turn-window KatorLegaz/window-08-02",
    "doubleFrenchWindow126x200": "Scopia/window_2x3 Scopia/window_2x6 reserve/Scopia/window_4x3 "
    "reserve/Scopia/window_4x5",
    "dishwasher": "reserve/own/dishwasher",
    "doorFrame": "reserve/own/doorFrame",
    "openDoor": "KatorLegaz/screen-door KatorLegaz/exterior-door-02 KatorLegaz/exterior-door-07",
    "slidingDoors": "reserve/Scopia/double_door_2",
    "showerOverBath": "KatorLegaz/showerHeadAndFaucet",
    "spotlight": "KatorLegaz/wall-spotlight",
    "sliderWindow126x200": "reserve/Scopia/window_3x1 reserve/Scopia/window_4x1",
    "frenchWindow85x200": "Scopia/glass_door",
}


@dataclass(frozen=True, kw_only=True)
class CatalogueModel:
    """A model of a furniture library."""

    name: str  # "library/id"
    archive: Path | None  # that holds it; None: drawn here
    path: str  # of the .obj inside the archive
    size: np.ndarray  # [3] width, depth, height, m
    rotation: np.ndarray  # [3, 3]
    wall_depth: tuple[
        float, float
    ]  # of doors and windows: distance and thickness of the wall part, fractions of the depth


def read_library(path: Path) -> dict[str, CatalogueModel]:
    """Every model of one .sh3f, or of the program's jar, by id. Raises InputError for a damaged archive."""
    with open_zip(path, fix=_AGAIN) as archive:
        listing = next((name for name in _LISTINGS if name in archive.namelist()), None)
        if listing is None:
            raise InputError(path, expected=_LIBRARY, got="no catalogue in it", fix=_AGAIN)
        text = read_entry(archive, listing, fix=_AGAIN).decode("latin-1")
    entries: dict[str, dict[str, str]] = {}
    for key, number, value in re.findall(r"^(\w+)#(\d+)=(.*?)\s*$", text, re.MULTILINE):
        entries.setdefault(number, {})[key] = value
    library = DEFAULTS if listing == _LISTINGS[1] else path.stem
    try:
        models = [_model(path, library, e) for e in entries.values() if "model" in e]
    except (ArithmeticError, LookupError, ValueError) as error:
        raise InputError(path, expected=f"{_LIBRARY} with sizes", got=repr(error), fix=_AGAIN) from error
    return {m.name.partition("/")[2]: m for m in models}


_LIBRARY, _AGAIN = "a whole furniture library (.sh3f)", "Remove it and fetch the packages again."
_LISTINGS = ("PluginFurnitureCatalog.properties", "com/eteks/sweethome3d/io/DefaultFurnitureCatalog.properties")


def _model(archive: Path, library: str, e: dict[str, str]) -> CatalogueModel:
    rotation = np.array(e["modelRotation"].split(), np.float64).reshape(3, 3) if "modelRotation" in e else np.eye(3)
    depth = float(e["depth"])
    wall = (
        float(e.get("doorOrWindowWallDistance", 0.0)) / depth,
        float(e.get("doorOrWindowWallThickness", depth)) / depth,
    )
    return CatalogueModel(
        name=f"{library}/{e['id'].split('#', 1)[1]}",
        archive=archive,
        path=e["model"].lstrip("/"),
        size=np.array([float(e[k]) for k in ("width", "depth", "height")]) / 100.0,
        rotation=rotation,
        wall_depth=wall,
    )


def stand_ins(
    kind: str,
    size: np.ndarray,
    *,
    libraries: Collection[str],
    archives: dict[str, Path],
    in_wall: bool,
    tolerance: float,
) -> list[CatalogueModel]:
    """Catalogue models of the same kind whose proportions are similar, those nearest in shape first.

    kind: a key of STAND_INS; size [3] of the placed item in metres; libraries: those this scene may use; archives:
    every archive by name. in_wall: a door or window, which keeps its own depth. tolerance: the largest change of any
    side relative to the others.
    """
    sides = [0, 2] if in_wall else [0, 1, 2]
    found = []
    for name in STAND_INS.get(kind, "").split():
        if name.partition("/")[0] not in libraries:
            continue
        model = _find(name.removeprefix(f"{RESERVE}/"), archives)
        stretch = float(np.exp(np.ptp(np.log(size / model.size)[sides])))
        if stretch <= tolerance:
            found.append((stretch, name, model))
    return [model for _, _, model in sorted(found, key=lambda f: f[:2])]


def _find(name: str, archives: dict[str, Path]) -> CatalogueModel:
    """The model "library/id"; MissingError when the library has none of that id."""
    library, model_id = name.split("/")
    if library == OWN:
        return CatalogueModel(
            name=name, archive=None, path="", size=np.array(SIZES[model_id]), rotation=np.eye(3), wall_depth=(0.0, 1.0)
        )
    model = read_library_cached(archives[library]).get(model_id)
    if model is None:
        raise MissingError(
            archives[library], expected=f"the model {model_id}", got="none", fix="Fetch the packages again."
        )
    return model


_libraries: dict[tuple[str, int], dict[str, CatalogueModel]] = {}


def read_library_cached(path: Path) -> dict[str, CatalogueModel]:
    """read_library, once per file and process."""
    key = (str(path), path.stat().st_mtime_ns)
    if key not in _libraries:
        _libraries[key] = read_library(path)
    return _libraries[key]
