"""How boxes stand to each other, on rooms drawn for the purpose."""

import numpy as np
import pytest

from chorus.view.relations import SIDES, Box, Relation, Room, gap, relations, room_of, walls_of

ROOM = Room(box=Box(np.array([0.0, 0.0, 0.0]), np.array([5.0, 4.0, 2.5])), angle=0.0)


def box(x: float, y: float, z: float, *size: float) -> Box:
    """Around (x, y), its foot at z."""
    half = np.array([size[0] / 2, size[1] / 2, 0.0])
    low = np.array([x, y, z]) - half
    return Box(low, low + np.array(size))


TABLE = box(2.5, 2.0, 0.0, 1.2, 0.8, 0.75)
LAPTOP = box(2.6, 2.0, 0.76, 0.35, 0.25, 0.2)
LAMP = box(2.5, 2.0, 1.9, 0.5, 0.5, 0.3)
RUG = box(2.5, 2.0, 0.0, 1.0, 0.6, 0.02)
TOP = box(2.5, 2.0, 0.68, 1.2, 0.8, 0.07)


def kinds(*boxes: Box) -> list[set[tuple[str, tuple[int, ...]]]]:
    return [{(found.kind, found.of) for found in held} for held in relations(list(boxes), ROOM)]


def test_a_laptop_is_on_a_table_and_a_lamp_above_both():
    table, laptop, lamp = kinds(TABLE, LAPTOP, LAMP)
    assert ("on", (0,)) in laptop and not {kind for kind, _ in table} & {"on", "beside", "above"}
    assert {("above", (0,)), ("above", (1,))} <= lamp and ("beside", (0,)) not in lamp
    assert ("under", (2,)) in table and ("under", (1,)) not in table  # what stands on it does not hang over it


def test_what_is_larger_than_a_top_does_not_stand_on_it():
    stool = box(2.5, 2.0, 0.0, 0.4, 0.4, 0.45)
    board = box(2.5, 2.0, 0.46, 2.0, 1.0, 0.1)
    assert ("on", (0,)) not in kinds(stool, board)[1]


def test_a_rug_is_under_a_top_and_a_thing_beside_is_under_nothing():
    top, rug = kinds(TOP, RUG)
    assert rug == {("under", (0,))} and ("above", (1,)) in top
    chair = box(2.5, 3.0, 0.0, 0.5, 0.5, 0.9)
    assert kinds(TABLE, chair)[1] == {("beside", (0,))}


def test_a_radiator_is_under_a_window_as_thin_as_the_wall():
    window, radiator = box(2.0, 3.98, 1.0, 1.2, 0.04, 1.2), box(2.0, 3.85, 0.1, 1.0, 0.1, 0.6)
    assert kinds(window, radiator)[1] == {("under", (0,))}
    aside = box(4.0, 3.85, 0.1, 1.0, 0.1, 0.6)
    assert kinds(window, aside)[1] == set()


@pytest.mark.parametrize("turned", [False, True])
def test_a_bed_is_between_two_nightstands(turned):
    beds = [box(2.0, 3.0, 0, 1.4, 2.0, 0.5), box(1.0, 3.7, 0, 0.4, 0.4, 0.5), box(3.0, 3.7, 0, 0.4, 0.4, 0.5)]
    if turned:
        beds = [Box(b.low[[1, 0, 2]], b.high[[1, 0, 2]]) for b in beds]
    bed, left, right = relations(beds, ROOM)
    assert bed[0] == Relation("between", (1, 2)) and {*bed[1:]} == {Relation("beside", (1,)), Relation("beside", (2,))}
    assert left == [Relation("beside", (0,))] and right == [Relation("beside", (0,))]


def test_who_is_far_or_off_the_line_is_not_between():
    first, second = box(1.0, 1.0, 0, 0.4, 0.4, 0.5), box(3.0, 1.0, 0, 0.4, 0.4, 0.5)
    assert ("between", (1, 2)) in kinds(box(2.0, 1.0, 0, 0.6, 0.4, 0.5), first, second)[0]
    assert kinds(box(2.0, 2.0, 0, 0.6, 0.4, 0.5), first, second)[0] == set()
    assert kinds(box(2.0, 1.0, 0, 0.05, 0.05, 0.5), first, box(4.9, 1.0, 0, 0.1, 0.1, 0.5))[0] == set()


def test_beside_goes_from_near_to_far_and_not_across_heights():
    one, near, far = box(1, 1, 0, 0.4, 0.4, 0.5), box(1.5, 1, 0, 0.4, 0.4, 0.5), box(1, 1.7, 0, 0.4, 0.4, 0.5)
    high = box(1.5, 1, 1.5, 0.4, 0.4, 0.5)
    assert relations([one, far, near, high], ROOM)[0] == [Relation("beside", (2,)), Relation("beside", (1,))]
    assert gap(one, near) == pytest.approx(0.1) and gap(one, box(1.2, 1.2, 0, 1, 1, 1)) == 0.0


@pytest.mark.parametrize(
    "x, y, walls",
    [
        (2.5, 2.0, ()), (0.35, 2.0, ("west",)), (4.6, 2.0, ("east",)), (2.5, 0.4, ("south",)), (2.5, 3.6, ("north",)),
        (0.35, 3.6, ("north", "west")), (4.6, 0.4, ("south", "east")), (1.0, 2.0, ()),
    ],
)  # fmt: skip
def test_walls_and_corners(x, y, walls):
    assert walls_of(box(x, y, 0, 0.6, 0.6, 1.0), ROOM) == walls and set(walls) <= set(SIDES)


def test_a_counter_from_wall_to_wall_stands_at_the_nearer_of_two():
    assert walls_of(box(2.45, 3.7, 0, 4.8, 0.6, 0.9), ROOM) == ("north", "west")


def shell(angle: float, size=(5.0, 3.0, 2.5), seed: int = 0) -> np.ndarray:
    """Places on the walls, the floor and the ceiling of a room turned by an angle."""
    draw = np.random.default_rng(seed)
    places = draw.random((6000, 3))
    axis, side = draw.integers(3, size=6000), draw.integers(2, size=6000)
    places[np.arange(6000), axis] = side
    places = (places - [0.5, 0.5, 0]) * size
    cos, sin = np.cos(angle), np.sin(angle)
    return places @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]).T


@pytest.mark.parametrize("degrees", [0, 20, -30, 44])
def test_a_turned_room_is_measured_along_its_walls(degrees):
    places = shell(np.deg2rad(degrees))
    room = room_of(places)
    np.testing.assert_allclose(room.box.size, [5.0, 3.0, 2.5], atol=0.15)
    assert np.rad2deg(room.angle) == pytest.approx(degrees, abs=1.1)
    inner = np.array([[1.0, 0.5, 1.0]]) @ np.array(
        [[np.cos(room.angle), np.sin(room.angle), 0], [-np.sin(room.angle), np.cos(room.angle), 0], [0, 0, 1]]
    )  # the place of the room's own (1, 0.5) in the scene
    np.testing.assert_allclose(room.turned(inner), [[1.0, 0.5, 1.0]], atol=1e-9)


def test_touching_goes_with_the_height_so_that_no_unit_is_needed():
    def scaled(b: Box) -> Box:
        return Box(b.low * 40, b.high * 40)

    boxes = [TABLE, LAPTOP, LAMP, box(2.5, 3.0, 0.0, 0.5, 0.5, 0.9)]
    large = Room(box=scaled(ROOM.box), angle=0.0)
    assert relations([scaled(b) for b in boxes], large) == relations(boxes, ROOM)
