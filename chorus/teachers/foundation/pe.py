"""The object-aware teacher of the paper: PE-Spatial (Perception Encoder tuned on SAM's features), as timm carries
it."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from torch import Tensor

from chorus.errors import InputError
from chorus.extras import extra
from chorus.teachers.foundation.loading import one_of, quiet
from chorus.teachers.foundation.trunk import AnySizeTeacher, Network


class PerceptionTeacher(AnySizeTeacher):
    """The normalised patch tokens of the last block, class token dropped. Reads any size (rotary and interpolated
    positions)."""

    def __init__(self, net: Network, **common):
        pixels = net.pretrained_cfg
        sizes = {"dim": net.num_features, "patch": net.patch_embed.patch_size[0]}
        super().__init__(net, role="object", mean=tuple(pixels["mean"]), std=tuple(pixels["std"]), **sizes, **common)

    def tokens(self, pixels: Tensor) -> Tensor:
        return self.net.forward_features(pixels)[:, self.net.num_prefix_tokens :]


def load_perception(folder: Path, *, name: str, long_side: int = 0, **common) -> PerceptionTeacher:
    """Read a model folder as timm releases it: config.json (architecture) and model.safetensors."""
    with extra("foundation"):
        import timm

    one_of(folder, ["config.json"])
    one_of(folder, ["model.safetensors"])
    with quiet():
        try:
            net = timm.create_model(f"local-dir:{folder}", pretrained=True, num_classes=0, dynamic_img_size=True)
        except (RuntimeError, OSError, KeyError, TypeError, SafetensorError) as error:
            raise InputError(
                folder, expected="a complete timm model folder", got=error, fix=f"Run: chorus teachers pull {name}"
            ) from error
    if not hasattr(net, "num_prefix_tokens"):
        raise InputError(
            folder, expected="a vision transformer", got=type(net).__name__, fix="Use a vit_pe_spatial_* model."
        )
    return PerceptionTeacher(net, name=name, long_side=long_side, **common)
