"""Floor plans: rooms fill the home, doors join them all, doors and windows lie in walls."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from chorus.scene_list import ROOM_KINDS
from chorus.sources.rooms.cells import ARM, SIZES, Unfurnishable
from chorus.sources.rooms.kinds import RULES
from chorus.sources.rooms.plan import Plan, draw_plan
from chorus.sources.sweethome3d.geometry import inside, signed_area

SEEDS = 50


def _plan(kind: str, seed: int) -> Plan:
    for attempt in range(60):
        try:
            return draw_plan(np.random.default_rng([seed, attempt]), kind)
        except Unfurnishable:
            continue
    raise AssertionError(f"no plan for a {kind}, seed {seed}")


@pytest.fixture(scope="module")
def plans() -> list[Plan]:
    return [_plan(kind, seed) for kind in ROOM_KINDS for seed in range(SEEDS)]


def test_one_table_of_kinds():
    assert set(SIZES) == set(RULES) == set(ROOM_KINDS)


def test_homes_of_all_sizes_and_shapes(plans):
    counts = Counter(len(plan.cells) for plan in plans)
    assert set(counts) == {1, 2, 3, 4, 5, 6}
    ells = sum(len(cell.axes) == 6 for plan in plans for cell in plan.cells)
    assert ells > SEEDS / 2 and all(len(cell.axes) in (4, 6) for plan in plans for cell in plan.cells)
    for plan in plans:
        kinds = Counter(cell.kind for cell in plan.cells if cell.kind != "bedroom")
        assert max(kinds.values(), default=0) <= 1


def test_areas_are_what_their_kind_may_have(plans):
    for plan in plans:
        for cell in plan.cells:
            least, most, narrow = SIZES[cell.kind]
            assert least - 1e-6 <= signed_area(cell.axes) <= most + 1e-6  # positive: counter-clockwise
            floor = cell.floor(plan.thickness)
            sides = np.linalg.norm(np.roll(floor, -1, axis=0) - floor, axis=1)
            assert (floor.max(0) - floor.min(0)).min() >= narrow - 1e-6 and sides.min() > 0.3
            assert inside(floor, np.array(cell.axes)).all()
            if len(floor) == 4:
                assert sides.min() >= ARM


def test_rooms_fill_the_outline_and_do_not_overlap(plans):
    """Points drawn over the home lie in one room each, or outside the outer walls."""
    rng = np.random.default_rng(0)
    for plan in plans[::3]:
        points = np.concatenate([cell.axes for cell in plan.cells])
        spots = rng.uniform(points.min(0), points.max(0), (400, 2))
        count = np.sum([inside(spots, cell.axes) for cell in plan.cells], axis=0)
        assert count.max() == 1
        box = np.prod(points.max(0) - points.min(0))
        whole = len(plan.cells) > 1 or len(plan.cells[0].axes) == 4
        if whole:
            assert count.min() == 1 and np.isclose(box, sum(signed_area(cell.axes) for cell in plan.cells))


def test_every_side_of_every_room_has_a_wall(plans):
    for plan in plans[::3]:
        for cell in plan.cells:
            middle = (cell.axes + np.roll(cell.axes, -1, axis=0)) / 2
            for point in middle:
                assert min(_off(point, wall.start, wall.end) for wall in plan.walls) < 1e-6


def _off(point, start, end) -> float:
    """Distance of a point to a segment."""
    t = np.clip((point - start) @ (end - start) / ((end - start) @ (end - start)), 0, 1)
    return float(np.linalg.norm(point - start - t * (end - start)))


def test_doors_join_all_rooms_and_one_leads_out(plans):
    for plan in plans:
        reached, todo = {0}, [0]
        while todo:
            room = todo.pop()
            for o in plan.openings:
                if "window" not in o.kind and room in (o.room, o.other):
                    new = ({o.room, o.other} - {room, -1}) - reached
                    reached |= new
                    todo += new
        assert reached == set(range(len(plan.cells)))
        assert [o.other for o in plan.openings if o.kind == "front door"] == [-1]


def test_openings_lie_in_walls_face_their_room_and_stay_apart(plans):
    for plan in plans:
        for i, o in enumerate(plan.openings):
            along = np.array([np.cos(o.angle), np.sin(o.angle)])
            front = np.array([np.sin(o.angle), -np.cos(o.angle)])
            for end in (-o.span / 2, o.span / 2):
                at = o.center + end * along
                assert min(_off(at, wall.start, wall.end) for wall in plan.walls) < 1e-6
                assert inside((at + 0.3 * front)[None], plan.cells[o.room].axes)[0]
                behind = [inside((at - 0.3 * front)[None], cell.axes)[0] for cell in plan.cells]
                assert behind == [j == o.other for j in range(len(plan.cells))]
            for other in plan.openings[:i]:
                away = other.center - o.center
                in_line = abs(along[0] * away[1] - along[1] * away[0]) < 1e-6
                assert abs(away @ along) > (o.span + other.span) / 2 - 1e-6 if in_line else np.hypot(*away) > 0.4


def test_windows_are_outside_only(plans):
    windows = [o for plan in plans for o in plan.openings if "window" in o.kind]
    assert windows and all(o.other == -1 for o in windows)
    dark = sum(
        not any(o.room == 0 and "window" in o.kind for o in plan.openings) and plan.cells[0].kind == "living"
        for plan in plans
    )
    assert dark < 0.25 * SEEDS
