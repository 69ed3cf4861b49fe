"""Class names, and which class a placed item is: from its catalogue id (and, for plain boxes, the designer's own name
for it)."""

from __future__ import annotations

from chorus.sources.sweethome3d.home_xml import Item

CLASS_NAMES = (
    "unlabelled",
    "wall",
    "floor",
    "ceiling",
    "door",
    "window",
    "bed",
    "sofa",
    "armchair",
    "chair",
    "stool",
    "table",
    "desk",
    "cabinet",
    "wardrobe",
    "bookshelf",
    "nightstand",
    "dresser",
    "kitchen counter",
    "refrigerator",
    "stove",
    "dishwasher",
    "washing machine",
    "sink",
    "toilet",
    "bathtub",
    "shower",
    "lamp",
    "plant",
    "tv",
    "tv stand",
    "laptop",
    "piano",
    "fireplace",
    "radiator",
    "range hood",
    "stairs",
)
CLASS_ID = {name: i for i, name in enumerate(CLASS_NAMES)}

_OF_CATALOGUE = {
    "bed": "bed bed140x190 bed90x190 bunkBed90x190 cornerBunkBed90x190 loftBed140x190 crib",
    "sofa": "sofa sofa2 cornerSofa",
    "armchair": "armchair armchair2",
    "chair": "chair chair2",
    "stool": "stool",
    "table": "table squareTable roundTable coffeeTable",
    "desk": "desk",
    "cabinet": "kitchenUpperCabinet glassDoorCabinet",
    "wardrobe": "wardrobe",
    "bookshelf": "bookcase filledBookcase",
    "nightstand": "bedsideTable",
    "dresser": "chest dresser",
    "kitchen counter": "kitchenCabinet",
    "refrigerator": "fridge fridgeFreezer",
    "stove": "cooker oven",
    "dishwasher": "dishwasher",
    "washing machine": "clothesWasher",
    "sink": "sink washbasin washbasinWithCabinet",
    "toilet": "toiletUnit",
    "bathtub": "bath fittedBath",
    "shower": "shower",
    "lamp": "lamp floorUplight pendantLamp spotlight wallUplight workLamp",
    "plant": "plant flowers",
    "tv": "flatTV",
    "tv stand": "tvUnit",
    "laptop": "laptop",
    "piano": "piano",
    "fireplace": "fireplace",
    "radiator": "electricRadiator hotWaterRadiator",
    "range hood": "hood",
    "stairs": "staircase curveStaircase spiralStaircase",
    "door": "door frontDoor openDoor roundedDoor slidingDoors doorFrame roundDoorFrame garageDoor",
    "window": "window85x123 window85x163 doubleWindow126x123 doubleWindow126x163 doubleHungWindow80x122 "
    "fixedWindow85x123 "
    "frenchWindow85x200 doubleFrenchWindow126x200 halfRoundWindow roundWindow sliderWindow126x200 serviceHatch "
    "fixedTriangleWindow85x85 doubleOutwardOpeningWindow",
}
_CLASS = {f"eTeks#{item}": CLASS_ID[name] for name, items in _OF_CATALOGUE.items() for item in items.split()}

# Boxes and cylinders are building material: only the designer's name for them, or for their group, says what they stand
# for.
_PRIMITIVES = ("eTeks#texturableBox", "eTeks#texturableCylinder", "eTeks#texturableTriangle")
_OF_PRIMITIVE_NAME = {
    "Kitchen cabinet": "kitchen counter",
    "Cabinet": "cabinet",
    "Bedside table": "nightstand",
    "Hood": "range hood",
    "Shelf": "bookshelf",
    "Carpet": "floor",
    "Beam": "ceiling",
    "Roof": "ceiling",
    "Roof part": "ceiling",
    "Slope": "ceiling",
    "Garage door": "door",
}
_OF_GROUP = {
    "Fireplace": "fireplace",
    "Bar": "kitchen counter",
    "Staircase": "stairs",
    "Bed": "bed",
    "Main roof": "ceiling",
    "Roof": "ceiling",
}


def class_of(item: Item) -> int:
    """Class id of a placed item, 0 when it is none of CLASS_NAMES. Never looks at the model drawn for it."""
    if item.catalog_id in _PRIMITIVES:
        return CLASS_ID.get(_OF_PRIMITIVE_NAME.get(item.name) or _OF_GROUP.get(item.group, ""), 0)
    return _CLASS.get(item.catalog_id, 0)


def id_of(name: str) -> str:
    """A catalogue id whose items are of the class; none for the class "unlabelled"."""
    return f"eTeks#{_OF_CATALOGUE[name].split()[0]}" if name in _OF_CATALOGUE else ""


def is_primitive(item: Item) -> bool:
    """Whether the item is a plain box, cylinder or prism: never swapped."""
    return item.catalog_id in _PRIMITIVES
