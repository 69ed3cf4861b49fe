"""The three embedded teachers, over one trunk."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from chorus.teachers.base import Role, Teacher
from chorus.teachers.embedded.decoders import Decoder
from chorus.teachers.embedded.text import TextTower
from chorus.teachers.embedded.trunk import CHANNELS, Trunk, patch_grid
from chorus.teachers.embedded.weights import load_decoder, provenance


class _EmbeddedTeacher:
    role: Role
    dim: int

    def __init__(self, trunk: Trunk):
        self._trunk = trunk
        self.name = f"embedded-{self.role}"

    def patch_grid(self, height: int, width: int) -> tuple[int, int]:
        return patch_grid(height, width)


class _DecoderTeacher(_EmbeddedTeacher):
    def __init__(self, trunk: Trunk, decoder: Decoder):
        super().__init__(trunk)
        self._decoder, self.dim = decoder, decoder.size.dim

    @torch.inference_mode()
    def features(self, images: Tensor) -> Tensor:
        """images [B, H, W, 3] in 0..1 -> unit vectors [B, h, w, dim], on the images' device."""
        return self._decoder(self._trunk(images)).permute(0, 2, 3, 1).contiguous().to(images.device)


class EmbeddedLang(_DecoderTeacher):
    """Words: unit vectors in MiniLM's space. Compare with :meth:`text` by cosine, nothing centred: a mean shared by all
    words shifts every word's cosine alike and leaves the order as it is."""

    role: Role = "lang"

    def __init__(self, trunk: Trunk, decoder: Decoder):
        super().__init__(trunk, decoder)
        self._tower: TextTower | None = None

    def text(self, prompts: list[str]) -> Tensor:
        """[T, 384] L2-normalised."""
        self._tower = self._tower or TextTower()
        return self._tower(prompts)


class EmbeddedObject(_DecoderTeacher):
    """Objects: patches of one instance are alike, neighbours across a boundary are not."""

    role: Role = "object"


class EmbeddedDino(_EmbeddedTeacher):
    """Visual structure: the trunk's own features at strides 8 and 16, the latter interpolated, each divided by its
    constant scale so that both strides weigh alike. Nothing in it was trained here."""

    role: Role = "dino"
    dim = CHANNELS[8] + CHANNELS[16]

    def __init__(self, trunk: Trunk, scales: dict[int, float]):
        super().__init__(trunk)
        self._scales = scales

    @torch.inference_mode()
    def features(self, images: Tensor) -> Tensor:
        """images [B, H, W, 3] in 0..1 -> [B, h, w, 152], on the images' device."""
        pyramid = self._trunk(images)
        coarse = F.interpolate(pyramid[16], scale_factor=2, mode="bilinear", align_corners=False)
        both = torch.cat([pyramid[8] / self._scales[8], coarse / self._scales[16]], dim=1)
        return both.permute(0, 2, 3, 1).contiguous().to(images.device)


def load_embedded(folder: Path, *, device: torch.device | str = "cpu") -> dict[Role, Teacher]:
    """The three teachers from a folder of heads, on a device; words are embedded on the CPU.

    Raises MissingError naming the file or package that is absent.
    """
    trunk = Trunk(device)
    scales = {int(stride): scale for stride, scale in provenance(folder)["dino_scales"].items()}
    return {
        "lang": EmbeddedLang(trunk, load_decoder(folder, "lang").to(device)),
        "dino": EmbeddedDino(trunk, scales),
        "object": EmbeddedObject(trunk, load_decoder(folder, "object").to(device)),
    }
