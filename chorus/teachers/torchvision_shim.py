"""Lets a CPU build of torch live beside PyPI's torchvision, which is built for CUDA.

Beside a CPU torch the binary part of that torchvision cannot load, and its Python part then dies on import because the
operator
``torchvision::nms`` was never defined; timm, open_clip and transformers all import torchvision. Call
:func:`make_torchvision_importable` before the first of them. It does nothing where the binary part loads.
``torchvision.ops`` goes on refusing what else that part holds; :func:`nms` here serves instead.
"""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

_library: torch.library.Library | None = None  # the definitions live as long as this object


def nms(dets: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Greedy non-maximum suppression, as torchvision.ops.nms defines it.

    dets [N, 4] boxes x1 y1 x2 y2; scores [N]. Returns the indices kept [M], best first: a box goes when its
    intersection over union with a better box that stayed is above ``iou_threshold``.
    """
    order = scores.argsort(descending=True, stable=True)
    boxes = dets[order]
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)  # [N]
    corner_low = torch.maximum(boxes[:, None, :2], boxes[None, :, :2])  # [N, N, 2]
    corner_high = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    overlap = (corner_high - corner_low).clamp_min(0).prod(dim=2)
    suppresses = overlap > iou_threshold * (areas[:, None] + areas[None] - overlap)  # [N, N]
    alive = torch.ones(len(boxes), dtype=torch.bool, device=dets.device)
    for i in range(len(boxes)):
        if alive[i]:
            alive[i + 1 :] &= ~suppresses[i, i + 1 :]
    return order[alive]


@cache
def make_torchvision_importable() -> bool:
    """Define nms and qnms when torchvision is installed but its binary part does not load. True when they had to be
    defined."""
    global _library
    if "torchvision" in sys.modules or _binary_part_loads():
        return False
    _library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        if not _defined(name):
            _library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            _library.impl(name, nms, "CompositeExplicitAutograd")
    return True


def _defined(name: str) -> bool:
    return hasattr(torch.ops.torchvision, name)


def _binary_part_loads() -> bool:
    """True when there is nothing to mend: no torchvision at all, or one whose operators load beside this torch."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return True
    for library in sorted(Path(spec.origin).parent.glob("_C*.so")):
        try:
            torch.ops.load_library(str(library))
        except (OSError, RuntimeError):
            return False
    return _defined("nms")
