"""ScanNet's rules for objects beside a literal telling of them, and case by case."""

import math

import numpy as np
import pytest

from chorus.evaluate import scannet_ap
from chorus.evaluate.instances import Proposals

THINGS = np.array([False, True, True, True])  # class 0 is a wall
LEAST = 100


def told(scenes, label, threshold):
    """AP of a class, as ScanNet's script goes about it: objects and proposals as sets of points, one after another."""
    right, wrong, lost, objects = [], [], 0, 0
    for members, labels, scores, semantic, instance in scenes:
        points = range(len(semantic))
        void = {p for p in points if semantic[p] < 1 or instance[p] < 1}
        true = {}
        for p in points:
            if p not in void and semantic[p] == label:
                true.setdefault(instance[p], set()).add(p)
        found = {}
        for number, (own, score) in enumerate(zip(labels, scores, strict=True)):
            inside = {p for p in points if members[p] == number}
            if own == label and len(inside) >= LEAST:
                found[number] = (inside, score)
        taken = set()
        for thing in (true[key] for key in sorted(true)):
            if len(thing) < LEAST:
                continue
            objects += 1
            best = None
            for number, (inside, score) in found.items():
                if number in taken or len(thing & inside) / len(thing | inside) <= threshold:
                    continue
                if best is None:
                    best = score
                    taken.add(number)
                else:
                    wrong.append(min(best, score))
                    best = max(best, score)
            if best is None:
                lost += 1
            else:
                right.append(best)
        for inside, score in found.values():
            if any(len(thing & inside) / len(thing | inside) > threshold for thing in true.values()):
                continue
            small = sum(len(thing & inside) for thing in true.values() if len(thing) < LEAST)
            if (len(inside & void) + small) / len(inside) <= threshold:
                wrong.append(score)
    if not objects:
        return math.nan
    points = []
    for cut in sorted({*right, *wrong}):
        hits, answers = sum(s >= cut for s in right), sum(s >= cut for s in [*right, *wrong])
        points.append((hits / (len(right) + lost), hits / answers))
    points.append((0.0, 1.0))
    area = 0.0
    for number, (recall, precision) in enumerate(points):
        before = points[number - 1][0] if number else recall
        after = points[number + 1][0] if number + 1 < len(points) else 0.0
        area += precision * (before - after) / 2
    return area


def drawn(seed):
    """A scene in which objects are cut up, joined, moved, too small, unlabelled and equally sure."""
    rng = np.random.default_rng(seed)
    sizes = rng.choice([30, 90, 99, 100, 130, 220], size=12)
    instance = np.repeat(np.arange(12), sizes)
    semantic = rng.integers(0, 4, 12)[instance]
    semantic[rng.random(len(semantic)) < 0.1] = -1
    instance = np.where(rng.random(len(instance)) < 0.05, 0, instance)
    members = (np.repeat(np.arange(12), sizes) * rng.choice([1, 1, 2]) // rng.choice([1, 2])).astype(int)
    members = np.roll(members, rng.integers(0, 60))
    members[rng.random(len(members)) < 0.15] = -1
    count = int(members.max()) + 1
    labels = np.array([_commonest(semantic[members == number], rng) for number in range(count)])
    return members, labels, np.round(rng.random(count), 1), semantic, instance


def _commonest(semantic, rng):
    known = semantic[semantic >= 0]
    return int(rng.integers(1, 4)) if len(known) == 0 or rng.random() < 0.2 else int(np.bincount(known).argmax())


def matched(scene):
    members, labels, scores, semantic, instance = scene
    return scannet_ap.match(Proposals(members, labels, scores), semantic, instance, THINGS)


@pytest.mark.parametrize("threshold", [0.25, 0.5, scannet_ap.THRESHOLDS[3], scannet_ap.THRESHOLDS[-1]])
def test_average_precision_is_what_the_published_rules_tell(threshold):
    seen = set()
    for seed in range(12):
        scenes = [drawn(seed), drawn(1000 + seed)]
        found = [matched(scene) for scene in scenes]
        for label in (1, 2, 3):
            wanted = told(scenes, label, threshold)
            got = scannet_ap.average_precision([one[label] for one in found], threshold)
            assert got == pytest.approx(wanted, abs=1e-12, nan_ok=True)
            seen.add(round(wanted, 3))
    assert len(seen) > (1 if threshold > 0.85 else 5)  # the drawn scenes tell good from bad


def scene(*parts):
    """Points in runs of (class, instance, proposal, count); proposal p has class 1 and score 1 - p / 10."""
    semantic, instance, member = (
        np.concatenate([np.full(part[3], part[i]) for part in parts]).astype(int) for i in range(3)
    )
    count = int(member.max()) + 1
    return member, np.ones(count, int), 1.0 - np.arange(count) / 10, semantic, instance


@pytest.mark.parametrize(
    "parts, wanted",
    [
        ([(1, 1, 0, 200)], 1.0),
        ([(1, 1, 0, 100)], 1.0),
        ([(1, 1, 0, 99)], math.nan),  # too small to be asked for
        ([(1, 1, -1, 200)], 0.0),
        ([(1, 1, 0, 200), (2, 2, 1, 200)], 1.0),  # less sure than the right one: wrong, but past the last hit
        ([(2, 2, 0, 200), (1, 1, 1, 200)], 0.25),  # surer, and wrong: half the width of recall at precision 1/2
        ([(-1, 0, 0, 200), (1, 1, 1, 200)], 1.0),  # forgiven: on unlabelled points
        ([(0, 7, 0, 200), (1, 1, 1, 200)], 1.0),  # and on a wall, which is no object
        ([(1, 2, 0, 90), (-1, 0, 0, 60), (1, 1, 1, 200)], 1.0),  # and on a small object
        ([(2, 2, 0, 99), (1, 1, 1, 200)], 1.0),  # too small a proposal
        ([(1, 1, 0, 100), (1, 1, -1, 100)], 0.0),  # IoU 0.5 does not exceed 0.5
    ],
)
def test_what_counts(parts, wanted):
    found = matched(scene(*parts))[1]
    got = scannet_ap.average_precision([found], 0.5)
    assert got == pytest.approx(told([scene(*parts)], 1, 0.5), nan_ok=True)
    assert got == pytest.approx(wanted, nan_ok=True)


def test_the_means_run_over_classes_that_occur():
    perfect = scannet_ap.table([matched(scene((1, 1, 0, 200)))])
    assert perfect == {"map": 100.0, "ap50": 100.0, "ap25": 100.0}
    assert all(math.isnan(value) for value in scannet_ap.table([matched(scene((1, 1, 0, 50)))]).values())
    assert 0.95 not in np.round(scannet_ap.THRESHOLDS, 2) and len(scannet_ap.THRESHOLDS) == 9
