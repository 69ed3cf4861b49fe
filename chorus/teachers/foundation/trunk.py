"""What all foundation teachers share: device, precision, resizing, and the shape of what comes out."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch import Tensor

from chorus.device import device_of
from chorus.errors import InputError
from chorus.teachers.base import Role
from chorus.teachers.foundation.pixels import to_pixels, whole_patches

Network = Any  # a network of another library: which parts it has is that library's business


class VisionTeacher:
    """A frozen network behind the Teacher protocol. A subclass says which size it reads and how a batch of pixels
    becomes patches.

    fingerprint: a content hash of the weights; with :attr:`settings` it keys every cached feature.
    """

    def __init__(
        self,
        net: Network,
        *,
        name: str,
        role: Role,
        dim: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        fingerprint: str = "",
        device: torch.device | str | None = None,
        half: bool = True,
    ):
        self.device = torch.device(device) if device else device_of()
        self.net: Network = net.eval().requires_grad_(False).to(self.device)
        self.name, self.dim, self.fingerprint = name, dim, fingerprint
        self.role: Role = role
        self.mean, self.std = tuple(mean), tuple(std)
        self.half = half and self.device.type == "cuda"

    @property
    def settings(self) -> dict:
        """Everything besides the weights and the image that the features depend on, plain JSON."""
        return {
            "teacher": type(self).__name__,
            "mean": self.mean,
            "std": self.std,
            "precision": str(self._dtype),
            "size": self.input_size(480, 640),
        }

    @property
    def _dtype(self) -> torch.dtype:
        if not self.half:
            return torch.float32
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16

    def precision(self):
        """The context the network runs in: half precision where the device has it."""
        return torch.autocast(self.device.type, dtype=self._dtype) if self.half else contextlib.nullcontext()

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """(h, w) the network reads for an image of this size, pixels."""
        raise NotImplementedError

    def patch_grid(self, height: int, width: int) -> tuple[int, int]:
        """(rows, cols) of the feature map for an image of this size, pixels."""
        raise NotImplementedError

    def patches(self, pixels: Tensor) -> Tensor:
        """Normalised pixels [B, 3, h, w] -> patch features [B, rows, cols, dim]."""
        raise NotImplementedError

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """images [B, H, W, 3] in 0..1 (sRGB) -> patch features [B, rows, cols, dim], float32, on the images' device."""
        if images.ndim != 4 or images.shape[-1] != 3:
            raise InputError(self.name, expected="images of shape [B, H, W, 3]", got=list(images.shape))
        pixels = to_pixels(images.to(self.device), self.input_size(*images.shape[1:3]), mean=self.mean, std=self.std)
        with self.precision():
            patches = self.patches(pixels)
        return patches.float().to(images.device)


class AnySizeTeacher(VisionTeacher):
    """A vision transformer that reads images at their own size, rounded to whole patches, or with their longer side at
    ``long_side`` pixels."""

    def __init__(self, net: Network, *, patch: int, long_side: int = 0, **common):
        self._patch, self._long_side = patch, long_side
        super().__init__(net, **common)

    def tokens(self, pixels: Tensor) -> Tensor:
        """Normalised pixels [B, 3, h, w] -> patch tokens [B, P, dim], all others dropped."""
        raise NotImplementedError

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        return whole_patches(height, width, patch=self._patch, long_side=self._long_side)

    def patch_grid(self, height: int, width: int) -> tuple[int, int]:
        rows, cols = self.input_size(height, width)
        return rows // self._patch, cols // self._patch

    def patches(self, pixels: Tensor) -> Tensor:
        return self.tokens(pixels).unflatten(1, (pixels.shape[-2] // self._patch, pixels.shape[-1] // self._patch))
