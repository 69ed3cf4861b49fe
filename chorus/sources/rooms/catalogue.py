"""Which models may stand in a generated room, by what they are: those of the training libraries, and of the program's
own catalogue those that no held-out or validation room shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chorus.errors import MissingError
from chorus.sources.rooms.drawn import DRAWN, SIZES, drawn_model
from chorus.sources.rooms.surfaces import Surface, surfaces
from chorus.sources.sweethome3d.catalog import DEFAULTS, CatalogueModel, read_library_cached
from chorus.sources.sweethome3d.fetch import HomesFolder
from chorus.sources.sweethome3d.models import ModelStore

LIBRARIES = ("Scopia", "BlendSwap-CC-BY")  # with DEFAULTS, all that a generated room draws from
# Of the program's own models, those that held-out or validation rooms show and training rooms do not, or may.
NEVER = (
    "roundDoorFrame roundWindow roundedDoor sliderWindow126x200 staircase washbasin "
    "dresser loftBed140x190 doubleOutwardOpeningWindow"
).split()
_SHORT = {"S": "Scopia", "B": "BlendSwap-CC-BY", "E": DEFAULTS, "D": DRAWN}

# kind -> (class, models). A kind is what a furnishing rule asks for; S/ B/ E/ stand for the three libraries, D/ for
# what drawn.py draws. No class: clutter, which stays unlabelled.
_KINDS: dict[str, tuple[str, str]] = {
    "double bed": ("bed", "S/bed1 S/iron_bed B/lettoCloud E/bed140x190 E/bed S/futon"),
    "single bed": ("bed", "S/children_bed S/captains-bed B/juniorBed E/bed90x190 S/hospital-bed S/day_bed_frame"),
    "bunk bed": ("bed", "B/bunkBed E/bunkBed90x190"),
    "crib": ("bed", "S/crib E/crib"),
    "sofa": (
        "sofa",
        "S/simple_sofa S/clear_sofa S/beige_sofa S/beige_sofa_2seats S/leather_sofa S/burlap_sofa S/sofa_white_beige "
        "S/rattanSofa S/convertible-sofa-BZ-closed B/sofa2 B/sofa3 B/couch3 E/sofa E/sofa2",
    ),
    "corner sofa": ("sofa", "B/cornerSofa E/cornerSofa"),
    "armchair": (
        "armchair",
        "S/armchair S/armchair1 S/modern_armchair S/rattanArmchair B/armchair1 B/fotel B/armChair2 B/leaf_chair "
        "E/armchair E/armchair2",
    ),
    "chair": (
        "chair",
        "S/chair S/chair3 S/chair4 S/plastic_chair S/tubular_chair S/white_kitchen_chair S/armchair2 "
        "B/chairWithCushion B/ella_chair_f B/kitchenChair B/chair3 B/chair4 B/plaidChair B/cafe_set_tonon_chair "
        "B/cafe_set_mota_chair B/foldingChair E/chair E/chair2",
    ),
    "desk chair": ("chair", "S/office_chair S/kids_desk_chair S/tubular_chair S/armchair2 E/chair2"),
    "stool": ("stool", "B/green_stool E/stool S/children_chair"),
    "bar stool": ("stool", "S/kitchen_stool S/bar_chair"),
    "dining table": (
        "table",
        "S/table4 S/white_kitchen_table S/black_table S/table-with-leaning-feet S/metal_glass_table B/table "
        "S/table-on-trestles E/table E/squareTable",
    ),
    "round table": ("table", "S/round-table S/table3 B/cafe_set_mota_table B/cafe_set_tonon_table E/roundTable"),
    "coffee table": (
        "table",
        "S/coffee_table S/coffee-table2 S/living_room_table S/saloon_table S/table_wood_and_iron "
        "B/coffeeTable E/coffeeTable",
    ),
    "desk": (
        "desk",
        "S/wooden_table_office S/glass_table_office S/desk_table S/kids_desk_table S/kids_wooden_desk "
        "S/wooden_office_alder_table S/wooden_office_pear_table_rect B/biurko3 B/simpleDesk B/officeTable E/desk",
    ),
    "wall cabinet": (
        "cabinet",
        "B/kitchenUpperCabinet B/kitchenSmallUpperCabinet B/kitchenGlassDoorCabinet E/kitchenUpperCabinet",
    ),
    "cabinet": ("cabinet", "E/glassDoorCabinet S/office_box"),
    "wardrobe": ("wardrobe", "S/wardrobe1 B/wardrobe B/wardrobe2 E/wardrobe"),
    "bookshelf": ("bookshelf", "B/bookcase S/kids_shelves E/bookcase E/filledBookcase"),
    "nightstand": ("nightstand", "B/bedsideTable E/bedsideTable"),
    "dresser": ("dresser", "B/dresserWithDrawers B/chest E/chest"),
    "counter": (
        "kitchen counter",
        "B/kitchenLowerCabinet B/kitchenSmallLowerCabinet B/kitchenDrawersCabinet E/kitchenCabinet",
    ),
    "island": ("kitchen counter", "B/kitchenIsland"),
    "refrigerator": ("refrigerator", "E/fridge E/fridgeFreezer"),
    "stove": ("stove", "B/largeStove E/cooker"),
    "dishwasher": ("dishwasher", "E/dishwasher"),
    "washing machine": ("washing machine", "S/clothes_washing_machine B/washing_machine E/clothesWasher"),
    "kitchen sink": ("sink", "B/kitchenSink E/sink"),
    "washbasin": ("sink", "B/washbasin_jay_hardy E/washbasinWithCabinet S/bathroom_vanity"),
    "hung washbasin": ("sink", "S/small_lavatory S/bathroom3 S/bathroom4"),
    "toilet": ("toilet", "B/modernToilet B/toilets_unit_jay_hardy E/toiletUnit"),
    "bathtub": ("bathtub", "B/bath_jay_hardy E/bath E/fittedBath"),
    "corner bathtub": ("bathtub", "S/corner_bathtub"),
    "shower": ("shower", "E/shower D/shower D/shower"),
    "ceiling lamp": ("lamp", "B/hangingLight E/pendantLamp S/ceiling-lamp"),
    "floor lamp": ("lamp", "S/living_lamp E/floorUplight"),
    "desk lamp": ("lamp", "S/desk_lamp1 S/desk_lamp2 E/workLamp B/lamp"),
    "table lamp": ("lamp", "S/little_lamp1 S/little_lamp2 S/table_lamp S/livingroom_lamp1 B/lamp E/lamp"),
    "wall lamp": ("lamp", "E/wallUplight"),
    "floor plant": (
        "plant",
        "S/maceta S/ficus B/mediumIndoorPlant B/yuccaPlant B/decorativePlant B/spatifilum B/spider_plant E/plant",
    ),
    "small plant": (
        "plant",
        "S/bonsai-tree S/calla_lily_with_roses B/tulip B/tulips B/white_lily B/succulentPlant B/luckyBamboo "
        "B/arbolito E/flowers",
    ),
    "tv": ("tv", "S/tv E/flatTV"),
    "wall tv": ("tv", "S/wall-flat-tv"),
    "tv stand": ("tv stand", "B/tvStand D/board D/sideboard"),
    "laptop": ("laptop", "B/laptop E/laptop"),
    "piano": ("piano", "B/piano E/piano"),
    "fireplace": ("fireplace", "S/fireplace1 S/fireplace2 E/fireplace"),
    "radiator": ("radiator", "B/modernRadiator E/electricRadiator E/hotWaterRadiator"),
    "towel radiator": ("radiator", "B/bathroomRadiator B/radiatorAndTowels"),
    "range hood": ("range hood", "B/hood S/kitchenHood E/hood"),
    "stairs": ("stairs", "E/curveStaircase E/spiralStaircase D/stairs"),
    "door": ("door", "S/door S/puerta E/door E/frontDoor S/glassDoor2"),
    "open door": ("door", "E/openDoor"),
    "door frame": ("door", "E/doorFrame"),
    "sliding door": ("door", "E/slidingDoors"),
    "window": (
        "window",
        "S/turn-window E/window85x123 E/window85x163 E/doubleWindow126x123 E/doubleWindow126x163 "
        "E/doubleHungWindow80x122 E/fixedWindow85x123",
    ),
    "high window": ("window", "S/window_2x1_medium_with_large_pane S/turn-window"),
    "french window": (
        "window",
        "E/frenchWindow85x200 E/doubleFrenchWindow126x200 S/window_2x3 S/window_2x6 S/glass_door "
        "S/window_2x1_with_sliders",
    ),
    "curtain": ("", "E/curtains S/curtain"),
    "rug": ("floor", "D/rug"),
    "picture": ("", "D/picture"),
    "mirror": ("", "D/mirror"),
    "books": ("", "D/books-0 D/books-1 D/books-2 D/books-3 D/books-4 D/books-5"),
    "desk things": (
        "",
        "S/phone S/penbox B/wirelessOfficePhone3 S/tablet B/book S/cup B/coffee_cup B/clock "
        "S/inkjet_and_scanner_printer",
    ),
    "shelf things": (
        "",
        "S/vase1 S/vase2 S/vase3 S/jar S/old_jar S/pottery S/frame1 S/frame2 B/radio B/clock B/rubix2 S/mini_stereo "
        "S/doll B/toyTrain B/ballonFoot S/folded_clothes B/gift B/chessboard S/reflex_camera S/candle",
    ),
    "kitchen things": (
        "",
        "S/teapot S/sugar S/bowl B/microwave B/kitchenblender B/choppingBoard B/utensilsPot B/breadBox "
        "B/largePan S/toaster S/paperTowelHolder S/spiceTower S/kitchenKnifeStandSet S/wine_bottle S/bowlWithFruits "
        "B/espressokettle B/coffeePress S/cooker S/tray",
    ),
    "table things": (
        "",
        "S/bowl S/apples S/cup S/teapot S/wine_bottle S/bowlWithFruits S/bowlWithSalad B/glass B/coffee_cup S/vase2 "
        "B/book S/tray S/birthday_cake S/ensemble-assiette-couteau-fourchette-cuillere-verre S/tv-remote-control "
        "S/glasses",
    ),
    "bath things": ("", "S/com_bath2_jabon_pijo S/com_bath2_soap S/complements2 S/folded_clothes B/towel S/com_bath"),
    "floor things": (
        "",
        "S/clothes-basket S/cardboard-box S/open-cardboard-box B/backpack B/suitcase S/sneakers S/puff S/doll-house "
        "S/dog S/cat B/ballonFoot S/aquarium S/woman_shoes S/skateboard S/pottery S/vase5 S/shopping-basket",
    ),
    "big things": (
        "",
        "S/indoor-bike B/treadmill S/clothes-rack S/clothes-horse S/water_cooler B/xylophone S/stroller",
    ),
}

_UNDER = ("dining table", "round table", "coffee table", "desk", "bar table")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a furnishing rule asks for."""

    name: str
    label: str  # class name, "" for clutter
    models: tuple[str, ...]  # "library/model"
    under: bool = False  # chairs go under it


def _kind(name: str) -> Kind:
    label, models = _KINDS[name]
    full = tuple(f"{_SHORT[m[0]]}{m[1:]}" for m in models.split())
    return Kind(name=name, label=label, models=full, under=name in _UNDER)


KINDS = {name: _kind(name) for name in _KINDS}


class Catalogue:
    """The models of the unpacked packages, each looked up once."""

    def __init__(self, homes: HomesFolder):
        self.homes, self.store = homes, ModelStore(homes.cache)
        self.known: dict[str, CatalogueModel] = {}  # every model asked for, by name
        self._surfaces: dict[str, list[Surface]] = {}

    def models(self, kind: str) -> list[CatalogueModel]:
        """The models of a kind. Raises MissingError when a library lacks one."""
        for name in KINDS[kind].models:
            if name not in self.known:
                self.known[name] = _find(name, self.homes)
        return [self.known[name] for name in KINDS[kind].models]

    def surfaces(self, model: CatalogueModel) -> list[Surface]:
        """The levels of a model on which things may stand."""
        if model.name not in self._surfaces:
            library, name = model.name.split("/")
            if library == DRAWN:
                shape = drawn_model(name, np.random.default_rng(0))
            else:
                shape = self.store.load(model.archive or self.homes.jar, model.path, model.rotation)
            self._surfaces[model.name] = surfaces(shape) if shape is not None else []
        return self._surfaces[model.name]


def _find(name: str, homes: HomesFolder) -> CatalogueModel:
    library, model_id = name.split("/")
    if library == DRAWN:
        size = np.array(SIZES[model_id])
        return CatalogueModel(name=name, archive=None, path="", size=size, rotation=np.eye(3), wall_depth=(0.0, 1.0))
    archive = homes.jar if library == DEFAULTS else homes.libraries.get(library)
    model = read_library_cached(archive).get(model_id) if archive is not None else None
    if model is None:
        where: Path | str = archive if archive is not None else library
        raise MissingError(where, expected=f"the model {model_id}", got="none", fix="Fetch the packages again.")
    return model
