"""How good the teachers are in the image, on rooms they were not trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from chorus.capture import Capture
from chorus.errors import InputError
from chorus.teachers.base import LanguageTeacher, Role, Teacher, language_of
from chorus.teachers.embedded.labels import main_instance, on_grid
from chorus.teachers.embedded.losses import PURE
from chorus.text import prompt

BACKGROUND = ("wall", "floor", "ceiling")  # left out of f-mIoU, as in the literature
_MIN_PATCHES = 3  # a region smaller than this takes no part in retrieval
_BATCH = 8


@dataclass(frozen=True, kw_only=True)
class LabelledViews:
    """Images a teacher sees with the labels to judge it by. images may be renders of the scene instead of the capture's
    own."""

    images: Tensor  # [V, H, W, 3] float in 0..1
    semantic: Tensor  # [V, H, W] int64
    instance: Tensor  # [V, H, W] int64, walls and the like numbered after the items
    items: int  # the largest id of an item
    names: tuple[str, ...]

    @classmethod
    def of(cls, capture: Capture, images: np.ndarray | None = None) -> LabelledViews:
        """A labelled capture's views, or other images [V, H, W, 3] uint8 of the same poses under its labels."""
        if capture.semantic is None or capture.instance is None:
            raise InputError("teacher scores", expected="views with class and instance labels", got="none")
        shown = torch.from_numpy(np.ascontiguousarray(capture.images if images is None else images)).float() / 255
        semantic, instance = (
            torch.from_numpy(layer.astype(np.int64)) for layer in (capture.semantic, capture.instance)
        )
        items = int(instance.max())
        instance = torch.where((instance == 0) & (semantic > 0), items + semantic, instance)
        return cls(images=shown, semantic=semantic, instance=instance, items=items, names=capture.class_names)


def feature_maps(teacher: Teacher, images: Tensor) -> Tensor:
    """[V, h, w, C], a few views at a time."""
    return torch.cat([teacher.features(batch) for batch in images.split(_BATCH)])


def evaluate_words(teacher: LanguageTeacher, rooms: list[LabelledViews], *, withheld: tuple[str, ...]) -> dict:
    """Zero-shot segmentation of the views: bilinear cosines with every class's prompt, argmax, confusion summed over
    all rooms.

    miou: over classes present in the labels; f_: without wall, floor, ceiling; seen and withheld: the f_ ones of either
    kind. Unlabelled pixels count nowhere.
    """
    names = rooms[0].names[1:]
    words = teacher.text([prompt(name) for name in names])
    confusion = torch.zeros(len(names), len(names), dtype=torch.int64)
    for room in rooms:
        maps = F.normalize(feature_maps(teacher, room.images), dim=-1) @ words.T
        for cosines, truth in zip(maps, room.semantic, strict=True):
            guess = F.interpolate(cosines.permute(2, 0, 1)[None], truth.shape, mode="bilinear", align_corners=False)[
                0
            ].argmax(dim=0)
            known = truth > 0
            confusion += torch.bincount((truth[known] - 1) * len(names) + guess[known], minlength=len(names) ** 2).view(
                len(names), -1
            )
    return segmentation_scores(confusion, names, withheld=withheld)


def segmentation_scores(confusion: Tensor, names: tuple[str, ...], *, withheld: tuple[str, ...]) -> dict:
    """confusion [K, K], rows the truth, columns the guess -> means over classes present, per-class IoU, overall
    accuracy."""
    hit, truth, guess = confusion.diagonal().double(), confusion.sum(dim=1).double(), confusion.sum(dim=0).double()
    iou, recall = hit / (truth + guess - hit).clamp_min(1), hit / truth.clamp_min(1)
    present = [i for i in range(len(names)) if truth[i] > 0]
    front = [i for i in present if names[i] not in BACKGROUND]
    groups = {
        "seen": [i for i in front if names[i] not in withheld],
        "withheld": [i for i in front if names[i] in withheld],
    }

    def mean(values: Tensor, group: list[int]) -> float | None:
        return round(float(values[group].mean()), 5) if group else None

    return {
        "miou": mean(iou, present),
        "f_miou": mean(iou, front),
        "f_macc": mean(recall, front),
        "seen_f_miou": mean(iou, groups["seen"]),
        "withheld_f_miou": mean(iou, groups["withheld"]),
        "accuracy": round(float(hit.sum() / truth.sum().clamp_min(1)), 5),
        "iou": {names[i]: round(float(iou[i]), 5) for i in present},
    }


def evaluate_objects(teacher: Teacher, rooms: list[LabelledViews]) -> dict:
    """boundary_f: best F over thresholds of 1 - cosine between neighbouring patches against a change of instance, no
    tolerance; retrieval_r1: an item's mean feature in one view finds itself first among all items of the room's other
    views; chance for both."""
    distances, changes, hits, luck = [], [], [], []
    for room in rooms:
        maps = feature_maps(teacher, room.images)
        maps = F.normalize(maps - maps.mean(dim=(0, 1, 2)), dim=-1)
        main, share = main_instance(on_grid(room.instance, *maps.shape[1:3]))
        distance, change = _neighbors(maps, main, share)
        distances.append(distance)
        changes.append(change)
        hit, chance = _retrieval(maps, torch.where((share > PURE) & (main <= room.items), main, 0))
        hits.append(hit)
        luck.append(chance)
    hits, luck, changes = torch.cat(hits), torch.cat(luck), torch.cat(changes)
    share = float(changes.float().mean())
    return {
        "boundary_f": round(_best_f(torch.cat(distances), changes), 5),
        "boundary_f_chance": round(2 * share / (1 + share), 5),  # calling every pair a boundary
        "retrieval_r1": round(float(hits.float().mean()), 5) if len(hits) else None,
        "retrieval_r1_chance": round(float(luck.mean()), 5) if len(luck) else None,
        "queries": len(hits),
    }


def _neighbors(maps: Tensor, main: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs of neighbouring patches each filled by one instance: 1 - cosine [P] and whether the instance changes
    [P]."""
    distances, changes = [], []
    for dim in (1, 2):
        size = main.shape[dim] - 1
        (fa, fb), (ia, ib), (sa, sb) = ((x.narrow(dim, 0, size), x.narrow(dim, 1, size)) for x in (maps, main, share))
        known = (ia > 0) & (ib > 0) & (sa > 0.5) & (sb > 0.5)
        distances.append((1 - (fa * fb).sum(dim=-1))[known])
        changes.append((ia != ib)[known])
    return torch.cat(distances), torch.cat(changes)


def _best_f(score: Tensor, positive: Tensor) -> float:
    order = score.argsort(descending=True, stable=True)
    hit = positive[order].double().cumsum(dim=0)
    called = torch.arange(1, len(order) + 1, dtype=torch.float64)
    return float((2 * hit / (called + positive.sum())).max()) if len(order) else 0.0


def _retrieval(maps: Tensor, regions: Tensor) -> tuple[Tensor, Tensor]:
    """regions [V, h, w] instance ids, 0 elsewhere -> for each query that has an answer: found first [Q], chance of
    finding it [Q]."""
    features, ids, views = [], [], []
    for view, (feature, region) in enumerate(zip(maps, regions, strict=True)):
        for number in region.unique():
            chosen = region == number
            if number > 0 and int(chosen.sum()) >= _MIN_PATCHES:
                features.append(F.normalize(feature[chosen].mean(dim=0), dim=0))
                ids.append(int(number))
                views.append(view)
    if not features:
        return torch.zeros(0, dtype=torch.bool), torch.zeros(0)
    f, ids, views = torch.stack(features), torch.tensor(ids), torch.tensor(views)
    other = views[:, None] != views[None]
    right = (ids[:, None] == ids[None]) & other
    answerable = right.any(dim=1)
    best = (f @ f.T).masked_fill(~other, -2).argmax(dim=1)
    chance = right.sum(dim=1) / other.sum(dim=1).clamp_min(1)
    return (ids[best] == ids)[answerable], chance[answerable]


def evaluate_teachers(teachers: dict[Role, Teacher], rooms: list[LabelledViews], *, withheld: tuple[str, ...]) -> dict:
    """{"lang": words, "object": objects, "dino": objects too, for comparison}."""
    scores = {"lang": evaluate_words(language_of(teachers), rooms, withheld=withheld)}
    return scores | {role: evaluate_objects(teachers[role], rooms) for role in ("object", "dino") if role in teachers}
