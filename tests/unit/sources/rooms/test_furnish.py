"""Furnished rooms, 30 of every kind on models of likely sizes: nothing in anything else, doors free, rules kept."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from chorus.errors import InputError
from chorus.scene_list import ROOM_KINDS, GeneratedRoom
from chorus.sources.rooms import draw
from chorus.sources.rooms.catalogue import Catalogue
from chorus.sources.rooms.home import SWING, DrawnHome
from chorus.sources.rooms.space import Box, Placed, intersect, turn
from chorus.sources.sweethome3d.fetch import find_homes
from chorus.sources.sweethome3d.geometry import distance_to_edges, inside
from tests.unit.sources.rooms.small_library import SIZES, build_library

SEEDS = 30
TOLERANCE = 0.01  # m


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory) -> Catalogue:
    return Catalogue(find_homes(build_library(tmp_path_factory.mktemp("homes"))))


@pytest.fixture(scope="module")
def homes(catalogue) -> dict[str, list[DrawnHome]]:
    return {
        kind: [
            draw(GeneratedRoom(id=f"gen-{n:04d}", number=n, seed=7, kind=kind), catalogue) for n in range(1, SEEDS + 1)
        ]
        for kind in ROOM_KINDS
    }


def _rooms(homes):
    return [space for each in homes.values() for home in each for space in home.spaces.values()]


def _spots(box: Box) -> np.ndarray:
    """[N, 3] points spread over a box that is made smaller by the tolerance."""
    low, high = box.low + TOLERANCE, box.high - TOLERANCE
    half = box.half - TOLERANCE
    if low >= high or (half <= 0).any():
        return np.zeros((0, 3))
    axes = [np.linspace(-h, h, max(2, int(h / 0.04))) for h in half]
    plan = np.stack(np.meshgrid(*axes), -1).reshape(-1, 2) @ turn(box.angle).T + box.center
    levels = np.linspace(low, high, max(2, int((high - low) / 0.1)))
    return np.concatenate([np.repeat(plan, len(levels), 0), np.tile(levels, len(plan))[:, None]], axis=1)


def _within(points: np.ndarray, box: Box) -> np.ndarray:
    local = np.abs((points[:, :2] - box.center) @ turn(box.angle))
    return (local < box.half - TOLERANCE).all(1) & (points[:, 2] > box.low) & (points[:, 2] < box.high)


def test_intersect_agrees_with_points_in_boxes():
    """The separating-axis test beside points spread over one box and looked up in the other."""
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(600):
        a, b = (
            Box(
                center=rng.uniform(-0.7, 0.7, 2),
                half=rng.uniform(0.1, 0.6, 2),
                angle=float(rng.uniform(0, 6.3)),
                low=float(low),
                high=float(low + rng.uniform(0.2, 1)),
            )
            for low in rng.uniform(0, 0.8, 2)
        )
        touching = _within(_spots(a), b).any() or _within(_spots(b), a).any()
        hits += touching
        if touching:
            assert intersect(a, b)
        elif intersect(a, b, slack=0.12):
            raise AssertionError("boxes that share 12 cm in every direction hold no common point")
    assert 150 < hits < 550


def test_nothing_stands_in_anything_else(homes):
    count = 0
    for space in _rooms(homes):
        solids = [(i, item, item.solids) for i, item in enumerate(space.items)]
        for (i, a, mine), (j, b, theirs) in itertools.combinations(solids, 2):
            if a.on == j or b.on == i:
                continue
            reach = np.hypot(*a.size[:2]) / 2 + np.hypot(*b.size[:2]) / 2
            if np.linalg.norm(a.center - b.center) > reach:
                continue
            for one, other in itertools.product(mine, theirs):
                count += 1
                assert not _within(_spots(one), other).any() and not _within(_spots(other), one).any(), (
                    a.kind.name,
                    b.kind.name,
                )
    assert count > 2000


def test_everything_is_inside_the_room(homes):
    for space in _rooms(homes):
        for item in space.items:
            corners = item.box.corners()
            edge = distance_to_edges(corners, space.outline)
            assert (inside(corners, space.outline) | (edge < TOLERANCE)).all(), item.kind.name
            assert item.elevation >= 0
            assert item.box.high <= space.height + 1e-6 or item.kind.name == "stairs"


def test_doors_open_and_can_be_reached(homes):
    """Before and behind every door nothing stands, on the floor or at head height."""
    doors = 0
    for each in homes.values():
        for home in each:
            for o, placed in zip(home.plan.openings, home.openings, strict=True):
                if "window" in o.kind:
                    continue
                swing = Box(
                    center=placed.center,
                    half=np.array([placed.size[0] / 2, home.plan.thickness / 2 + SWING]),
                    angle=placed.angle,
                    low=0.0,
                    high=placed.box.high,
                )
                for room in {o.room, o.other} & set(home.spaces):
                    doors += 1
                    for item in home.spaces[room].items:
                        hung = item.kind.name in ("ceiling lamp", "wall cabinet", "range hood", "mirror", "rug")
                        free = [_within(_spots(solid), swing).any() for solid in item.solids]
                        assert hung or item.on >= 0 or not any(free), (item.kind.name, o.kind)
    assert doors > 7 * SEEDS


MUST = {
    "bedroom": ["bed"],
    "living": ["sofa", "tv", "tv stand"],
    "kitchen": ["sink", "stove", "refrigerator"],
    "bathroom": ["toilet", "sink"],
    "dining": ["table"],
    "office": ["desk"],
    "hall": [],
}


@pytest.mark.parametrize("kind", ROOM_KINDS)
def test_every_room_holds_what_its_kind_must(homes, kind):
    for home in homes[kind]:
        labels = Counter(item.kind.label for item in home.spaces[0].items)
        assert all(labels[name] for name in MUST[kind]), labels
        assert sum(labels.values()) >= 2
        if kind == "bathroom":
            assert labels["bathtub"] + labels["shower"]
        if kind == "dining":
            assert labels["chair"] + labels["stool"] >= 2


def _of(space, *names: str) -> list[Placed]:
    return [item for item in space.items if item.kind.name in names]


def _front(item: Placed) -> np.ndarray:
    return np.array([np.sin(item.angle), -np.cos(item.angle)])


def test_backs_stand_at_walls(homes):
    for space in _rooms(homes):
        for item in _of(space, "double bed", "toilet", "wardrobe", "stove", "bookshelf", "refrigerator", "piano"):
            back = item.at(0.0, float(item.size[1]) / 2)
            assert distance_to_edges(back[None], space.outline)[0] < 0.05, item.kind.name


def test_nightstands_stand_beside_their_bed(homes):
    pairs = 0
    for home in homes["bedroom"]:
        beds = _of(home.spaces[0], "double bed", "single bed")
        for stand in _of(home.spaces[0], "nightstand"):
            pairs += 1
            gaps = [
                np.linalg.norm(stand.at(0, stand.size[1] / 2) - bed.at(0, bed.size[1] / 2))
                - (stand.size[0] + bed.size[0]) / 2
                for bed in beds
                if abs(np.sin(stand.angle - bed.angle)) < 1e-6
            ]
            assert min(gaps) < 0.1
    assert pairs > SEEDS / 2


def test_a_sofa_looks_at_the_tv(homes):
    for home in homes["living"]:
        space = home.spaces[0]
        sofas, tvs = _of(space, "sofa", "corner sofa"), _of(space, "tv", "wall tv")
        assert any(
            _front(sofa) @ (tv.center - sofa.center) > 0.8 * np.linalg.norm(tv.center - sofa.center)
            and _front(sofa) @ _front(tv) < -0.95
            for sofa in sofas
            for tv in tvs
        )


def test_chairs_look_at_their_table_and_desk(homes):
    near = 0
    for kind, names in (("dining", ("dining table", "round table")), ("office", ("desk",))):
        for home in homes[kind]:
            tables = _of(home.spaces[0], *names)
            for chair in _of(home.spaces[0], "chair" if kind == "dining" else "desk chair"):
                table = min(tables, key=lambda t: np.linalg.norm(t.center - chair.center))
                ahead = chair.center + (chair.size[1] / 2 + 0.25) * _front(chair)
                local = np.abs((ahead - table.center) @ turn(table.angle))
                near += (local < table.size[:2] / 2 + 0.05).all()
                assert _front(chair) @ (table.center - chair.center) > 0
    assert near > 2 * SEEDS


def test_kitchens_have_hoods_over_stoves_and_sinks_in_the_run(homes):
    hoods = 0
    for home in homes["kitchen"]:
        space = home.spaces[0]
        stoves, sinks = _of(space, "stove"), _of(space, "kitchen sink")
        run = [*_of(space, "counter", "dishwasher", "refrigerator"), *stoves, *sinks]
        for unit in (*stoves, *sinks):
            others = [o for o in run if o is not unit and abs(np.sin(o.angle - unit.angle)) < 1e-6]
            gap = [np.linalg.norm(o.center - unit.center) - (o.size[0] + unit.size[0]) / 2 for o in others]
            assert min(gap) < 0.02
        for hood in _of(space, "range hood"):
            hoods += 1
            assert min(np.linalg.norm(hood.center - stove.center) for stove in stoves) < 0.3 and hood.elevation > 1.2
    assert hoods > SEEDS / 3


def test_things_on_tops_rest_on_them(homes):
    resting = 0
    for space in _rooms(homes):
        for item in space.items:
            if item.on >= 0:
                base = space.items[item.on]
                resting += 1
                levels = {round(base.elevation + float(base.size[2]), 2)}
                if base.model.archive is not None:  # a box: its only level is its top
                    assert any(abs(item.elevation - z) < 0.02 for z in levels), (item.kind.name, base.kind.name)
                local = np.abs((item.center - base.center) @ turn(base.angle))
                assert (local <= base.size[:2] / 2).all()
    assert resting > 500


def test_every_class_is_met_often(homes):
    """The classes a furnishing can hold, over 350 rooms; none is so rare that it could as well be missing."""
    from chorus.sources.sweethome3d.classes import CLASS_NAMES

    rooms = [home.spaces[0] for each in homes.values() for home in each]
    counts = Counter(label for space in rooms for label in {item.kind.label for item in space.items})
    wanted = set(CLASS_NAMES) - {"unlabelled", "wall", "ceiling", "door", "window"}
    assert {name: counts[name] for name in wanted if counts[name] < 0.025 * len(rooms)} == {}


def test_a_room_that_cannot_be_furnished_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(SIZES, "double bed", (900, 900, 60))
    for name in ("single bed", "bunk bed"):
        monkeypatch.setitem(SIZES, name, (900, 900, 60))
    catalogue = Catalogue(find_homes(build_library(tmp_path)))
    with pytest.raises(InputError, match=r"gen-0003: expected a bedroom that can be furnished in one of 40 draws") as e:
        draw(GeneratedRoom(id="gen-0003", number=3, seed=0, kind="bedroom"), catalogue)
    assert "\n" not in str(e.value) and "data/scenes.yaml" in str(e.value)
