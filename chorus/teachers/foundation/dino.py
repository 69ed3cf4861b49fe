"""Generalist teachers of transformers: DINOv3 and DINOv2, with or without registers."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from torch import Tensor

from chorus.errors import InputError
from chorus.extras import extra
from chorus.teachers.foundation.loading import one_of, quiet
from chorus.teachers.foundation.pixels import IMAGENET_MEAN, IMAGENET_STD
from chorus.teachers.foundation.trunk import AnySizeTeacher, Network

MODEL_TYPES = ("dinov3_vit", "dinov2", "dinov2_with_registers")


class DinoTeacher(AnySizeTeacher):
    """The normalised patch tokens of the last layer, class and register tokens dropped."""

    def __init__(self, net: Network, **common):
        config = net.config
        patch = config.patch_size if isinstance(config.patch_size, int) else config.patch_size[0]
        self._prefix = 1 + getattr(config, "num_register_tokens", 0)
        super().__init__(
            net, role="dino", dim=config.hidden_size, mean=IMAGENET_MEAN, std=IMAGENET_STD, patch=patch, **common
        )

    def tokens(self, pixels: Tensor) -> Tensor:
        return self.net(pixel_values=pixels).last_hidden_state[:, self._prefix :]


def load_dino(folder: Path, *, name: str, long_side: int = 0, **common) -> DinoTeacher:
    """Read a model folder as transformers releases it: config.json and model.safetensors."""
    with extra("foundation"):
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
            raise InputError(
                folder,
                expected="a complete transformers model folder",
                got=error,
                fix=f"Run: chorus teachers pull {name}",
            ) from error
    return DinoTeacher(net, name=name, long_side=long_side, **common)
