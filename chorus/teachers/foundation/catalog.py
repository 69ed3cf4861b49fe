"""The foundation models Chorus knows by name: where they are released, under which terms, and what they need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
_NO_WEIGHTS_TWICE = ("open_clip_config.json", "open_clip_model.safetensors", "*token*", "*.model", "*.txt", "LICENSE*")

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        Source(
            name="siglip2",
            kind="open_clip",
            roles=("lang",),
            repo="timm/ViT-SO400M-16-SigLIP2-512",
            files=_NO_WEIGHTS_TWICE,
            dim=1152,
            patch=16,
            params_m=1136,
            license="Apache-2.0",
            vram_gb=8.0,
        ),
        Source(
            name="siglip2-base",
            kind="open_clip",
            roles=("lang",),
            repo="timm/ViT-B-16-SigLIP2-512",
            files=_NO_WEIGHTS_TWICE,
            dim=768,
            patch=16,
            params_m=375,
            license="Apache-2.0",
            vram_gb=3.5,
        ),
        Source(
            name="siglip2-giant",
            kind="open_clip",
            roles=("lang",),
            repo="timm/ViT-gopt-16-SigLIP2-384",
            files=_NO_WEIGHTS_TWICE,
            dim=1536,
            patch=16,
            params_m=1871,
            license="Apache-2.0",
            vram_gb=11.0,
        ),
        Source(
            name="dinov3",
            kind="dino",
            roles=("dino",),
            repo="facebook/dinov3-vitl16-pretrain-lvd1689m",
            dim=1024,
            patch=16,
            params_m=303,
            license="DINOv3 License",
            gated=True,
            vram_gb=3.5,
        ),
        Source(
            name="dinov3-base",
            kind="dino",
            roles=("dino",),
            repo="facebook/dinov3-vitb16-pretrain-lvd1689m",
            dim=768,
            patch=16,
            params_m=86,
            license="DINOv3 License",
            gated=True,
            vram_gb=1.5,
        ),
        Source(
            name="dinov2",
            kind="dino",
            roles=("dino",),
            repo="facebook/dinov2-with-registers-large",
            dim=1024,
            patch=14,
            params_m=304,
            license="Apache-2.0",
            vram_gb=3.5,
        ),
        Source(
            name="pe-spatial",
            kind="perception",
            roles=("object",),
            repo="timm/vit_pe_spatial_large_patch14_448.fb",
            dim=1024,
            patch=14,
            params_m=303,
            license="Apache-2.0",
            vram_gb=3.5,
        ),
        Source(
            name="pe-spatial-base",
            kind="perception",
            roles=("object",),
            repo="timm/vit_pe_spatial_base_patch16_512.fb",
            dim=768,
            patch=16,
            params_m=86,
            license="Apache-2.0",
            vram_gb=1.5,
        ),
        Source(
            name="sam",
            kind="sam",
            roles=("object", "masks"),
            url=_SAM + "sam_vit_h_4b8939.pth",
            md5="4b8939a88964f0f4ff5f5b2642c598a6",
            dim=256,
            patch=16,
            params_m=641,
            license="Apache-2.0",
            vram_gb=9.0,
        ),
        Source(
            name="sam-base",
            kind="sam",
            roles=("object", "masks"),
            url=_SAM + "sam_vit_b_01ec64.pth",
            md5="01ec64d29a2fca3f0661936605ae66f8",
            dim=256,
            patch=16,
            params_m=94,
            license="Apache-2.0",
            vram_gb=5.0,
        ),
        Source(
            name="radio",
            kind="radio",
            roles=("lang", "dino", "object"),
            repo="nvidia/C-RADIOv4-H",
            files=("*.json", "*.safetensors", "*.py", "*.pdf", "LICENSE*"),
            dim=1280,
            patch=16,
            params_m=631,
            license="NVIDIA Open Model License",
            vram_gb=5.0,
        ),
    )
}

PRESETS: dict[str, dict[str, str]] = {
    "paper": {"lang": "siglip2", "dino": "dinov3", "object": "pe-spatial", "masks": "sam"},
    "small": {"lang": "siglip2-base", "dino": "dinov2", "object": "sam-base", "masks": "sam-base"},
    "radio": {"lang": "radio", "dino": "radio", "object": "radio", "text": "siglip2-giant"},
}


def presets_of(name: str) -> list[str]:
    """The presets that need this model."""
    return [preset for preset, parts in PRESETS.items() if name in parts.values()]
