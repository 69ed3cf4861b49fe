"""Generalist teachers of transformers: DINOv3 and DINOv2, with or without registers."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from torch import Tensor, nn

from chorus.errors import InputError
from chorus.teachers.foundation.pixels import IMAGENET_MEAN, IMAGENET_STD, whole_patches
from chorus.teachers.foundation.trunk import VisionTeacher
from chorus.teachers.foundation.weights import one_of, quiet

MODEL_TYPES = ("dinov3_vit", "dinov2", "dinov2_with_registers")


class DinoTeacher(VisionTeacher):
    """The normalised patch tokens of the last layer, class and register tokens dropped.

    Reads images at their own size, rounded to whole patches, or with their longer side at ``long_side`` pixels.
    """

    def __init__(self, net: nn.Module, *, long_side: int = 0, **common):
        patch = net.config.patch_size
        self._patch = patch if isinstance(patch, int) else patch[0]
        self._prefix = 1 + getattr(net.config, "num_register_tokens", 0)
        self._long_side = long_side
        super().__init__(net, role="dino", dim=net.config.hidden_size, mean=IMAGENET_MEAN, std=IMAGENET_STD, **common)

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        return whole_patches(height, width, patch=self._patch, long_side=self._long_side)

    def patch_grid(self, height: int, width: int) -> tuple[int, int]:
        rows, cols = self.input_size(height, width)
        return rows // self._patch, cols // self._patch

    def patches(self, pixels: Tensor) -> Tensor:
        tokens = self.net(pixel_values=pixels).last_hidden_state[:, self._prefix :]
        return tokens.unflatten(1, (pixels.shape[-2] // self._patch, pixels.shape[-1] // self._patch))


def load_dino(folder: Path, *, name: str, long_side: int = 0, **common) -> DinoTeacher:
    """Read a model folder as transformers releases it: config.json and model.safetensors."""
    from transformers import AutoConfig, AutoModel

    one_of(folder, ["config.json"])
    one_of(folder, ["model.safetensors", "model.safetensors.index.json"])
    with quiet():
        try:
            config = AutoConfig.from_pretrained(folder, local_files_only=True)
            if config.model_type not in MODEL_TYPES:
                raise InputError(folder, expected=f"a model of type {', '.join(MODEL_TYPES)}", got=config.model_type)
            net = AutoModel.from_pretrained(folder, config=config, local_files_only=True, use_safetensors=True)
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise InputError(folder, expected="a complete transformers model folder", got=error, fix=f"Run: chorus teachers pull {name}") from error
    return DinoTeacher(net, name=name, long_side=long_side, **common)
