"""The foundation models Chorus knows by name: where they are released, under which terms, and what they need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["open_clip", "dino", "perception", "sam", "radio"]
_HUB = "https://huggingface.co/"


@dataclass(frozen=True, kw_only=True)
class Source:
    """One released model. kind: which loader reads it; vram_gb is an estimate: float32 weights, a batch of 8 in half
    precision."""

    name: str
    kind: Kind
    roles: tuple[str, ...]
    repo: str = ""  # hub repository
    url: str = ""  # or one file elsewhere
    md5: str = ""  # of that file, as its publisher names it
    files: tuple[str, ...] = ("*.json", "*.safetensors", "*.model", "*.txt", "LICENSE*")
    dim: int
    patch: int
    params_m: int  # millions
    license: str
    gated: bool = False
    vram_gb: float

    @property
    def page(self) -> str:
        """Where its terms are read and accepted."""
        return _HUB + self.repo if self.repo else self.url

    @property
    def gigabytes(self) -> float:
        """Expected size of the download, float32."""
        return self.params_m * 4e-3


_SAM = "https://dl.fbaipublicfiles.com/segment_anything/"
_DINOV2 = "facebook/dinov2-with-registers-large"
_PE_LARGE, _PE_BASE = "timm/vit_pe_spatial_large_patch14_448.fb", "timm/vit_pe_spatial_base_patch16_512.fb"
_NO_WEIGHTS_TWICE = ("open_clip_config.json", "open_clip_model.safetensors", "*token*", "*.model", "*.txt", "LICENSE*")


def _source(
    name: str,
    kind: Kind,
    roles: str,
    place: str,
    *,
    dim: int,
    patch: int,
    params_m: int,
    vram_gb: float,
    license: str = "Apache-2.0",
    **more: Any,
) -> Source:
    where = {"url": _SAM + place} if kind == "sam" else {"repo": place}
    size: dict[str, Any] = {"dim": dim, "patch": patch, "params_m": params_m, "vram_gb": vram_gb}
    return Source(name=name, kind=kind, roles=tuple(roles.split()), license=license, **where, **size, **more)


def _siglip(name: str, repo: str, **size: Any) -> Source:
    return _source(name, "open_clip", "lang", repo, patch=16, files=_NO_WEIGHTS_TWICE, **size)


def _dinov3(name: str, repo: str, **size: Any) -> Source:
    return _source(name, "dino", "dino", repo, patch=16, license="DINOv3 License", gated=True, **size)


def _sam(name: str, file: str, **size: Any) -> Source:
    return _source(name, "sam", "object masks", file, dim=256, patch=16, **size)


_ALL = (
    _siglip("siglip2", "timm/ViT-SO400M-16-SigLIP2-512", dim=1152, params_m=1136, vram_gb=8.0),
    _siglip("siglip2-base", "timm/ViT-B-16-SigLIP2-512", dim=768, params_m=375, vram_gb=3.5),
    _siglip("siglip2-giant", "timm/ViT-gopt-16-SigLIP2-384", dim=1536, params_m=1871, vram_gb=11.0),
    _dinov3("dinov3", "facebook/dinov3-vitl16-pretrain-lvd1689m", dim=1024, params_m=303, vram_gb=3.5),
    _dinov3("dinov3-base", "facebook/dinov3-vitb16-pretrain-lvd1689m", dim=768, params_m=86, vram_gb=1.5),
    _source("dinov2", "dino", "dino", _DINOV2, dim=1024, patch=14, params_m=304, vram_gb=3.5),
    _source("pe-spatial", "perception", "object", _PE_LARGE, dim=1024, patch=14, params_m=303, vram_gb=3.5),
    _source("pe-spatial-base", "perception", "object", _PE_BASE, dim=768, patch=16, params_m=86, vram_gb=1.5),
    _sam("sam", "sam_vit_h_4b8939.pth", md5="4b8939a88964f0f4ff5f5b2642c598a6", params_m=641, vram_gb=9.0),
    _sam("sam-base", "sam_vit_b_01ec64.pth", md5="01ec64d29a2fca3f0661936605ae66f8", params_m=94, vram_gb=5.0),
    _source(
        "radio",
        "radio",
        "lang dino object",
        "nvidia/C-RADIOv4-H",
        dim=1280,
        patch=16,
        params_m=631,
        vram_gb=5.0,
        license="NVIDIA Open Model License",
        files=("*.json", "*.safetensors", "*.py", "*.pdf", "LICENSE*"),
    ),
)
SOURCES: dict[str, Source] = {source.name: source for source in _ALL}

PRESETS: dict[str, dict[str, str]] = {
    "paper": {"lang": "siglip2", "dino": "dinov3", "object": "pe-spatial", "masks": "sam"},
    "small": {"lang": "siglip2-base", "dino": "dinov2", "object": "sam-base", "masks": "sam-base"},
    "radio": {"lang": "radio", "dino": "radio", "object": "radio", "text": "siglip2-giant"},
}


def presets_of(name: str) -> list[str]:
    """The presets that need this model."""
    return [preset for preset, parts in PRESETS.items() if name in parts.values()]
