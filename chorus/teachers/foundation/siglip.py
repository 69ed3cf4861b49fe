"""Language teachers of open_clip: SigLIP2, CLIP, MobileCLIP and any other tower that can be asked about one patch at a
time."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional as F

from chorus.errors import InputError
from chorus.extras import extra
from chorus.teachers.foundation.loading import one_of, quiet
from chorus.teachers.foundation.pixels import to_pixels
from chorus.teachers.foundation.trunk import Network, VisionTeacher

CONFIG = "open_clip_config.json"


class OpenClipTeacher(VisionTeacher):
    """Patch features in the space of the text tower.

    Only the pooled embedding of such a model was trained to agree with words. Each patch is therefore taken through the
    tower's own last pooling step *as though it were the whole image*: attention pooling over one token (SigLIP), the
    last block with attention over one token (CLIP; the value path of MaskCLIP, arXiv 2112.01071), or the head on one
    cell of the map (MobileCLIP). For an image of one patch this is the library's own embedding, and for mean-pooled
    towers the mean over patches is.
    """

    def __init__(self, model: Network, tokenizer, **common):
        visual = model.visual
        size = visual.image_size
        self._size: tuple[int, int] = (size[0], size[1]) if isinstance(size, (tuple, list)) else (size, size)
        self._tokenizer = tokenizer
        super().__init__(
            model,
            role="lang",
            dim=_embedding_size(model),
            mean=tuple(visual.image_mean),
            std=tuple(visual.image_std),
            **common,
        )

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        return self._size  # fixed position embeddings: images are squashed to the size the tower was trained at

    def patch_grid(self, height: int, width: int) -> tuple[int, int]:
        stride = _stride(self.net.visual)
        return self._size[0] // stride, self._size[1] // stride

    def patches(self, pixels: Tensor) -> Tensor:
        visual = self.net.visual
        alone = _timm_patches_alone(visual, pixels) if hasattr(visual, "trunk") else _clip_patches_alone(visual, pixels)
        return alone.unflatten(1, self.patch_grid(*pixels.shape[-2:]))

    @torch.no_grad()
    def embed(self, images: Tensor) -> Tensor:
        """Whole images [B, H, W, 3] in 0..1 -> the model's image embeddings [B, dim], L2-normalised."""
        pixels = to_pixels(images.to(self.device), self._size, mean=self.mean, std=self.std)
        with self.precision():
            return F.normalize(self.net.encode_image(pixels).float(), dim=-1).to(images.device)

    @torch.no_grad()
    def text(self, prompts: list[str]) -> Tensor:
        """[T, dim] L2-normalised embeddings of the prompts, through the tokenizer and text tower of the same
        checkpoint."""
        batches = [self._tokenizer(list(prompts[i : i + 256])).to(self.device) for i in range(0, len(prompts), 256)]
        with self.precision():
            return torch.cat([F.normalize(self.net.encode_text(tokens).float(), dim=-1) for tokens in batches]).cpu()


def load_open_clip(folder: Path, *, name: str, **common) -> OpenClipTeacher:
    """Read a model folder as open_clip releases it: open_clip_config.json, the weights, and the tokenizer's files where
    the config names one."""
    with extra("foundation"):
        import open_clip

    one_of(folder, [CONFIG])
    one_of(
        folder,
        [
            "open_clip_model.safetensors",
            "open_clip_pytorch_model.safetensors",
            "*.safetensors",
            "open_clip_pytorch_model.bin",
        ],
    )
    with quiet():
        try:
            model = open_clip.create_model(f"local-dir:{folder}")
            tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
        except (ValueError, RuntimeError, OSError, SafetensorError) as error:
            raise InputError(
                folder, expected="a complete open_clip model folder", got=error, fix=f"Run: chorus teachers pull {name}"
            ) from error
    return OpenClipTeacher(model, tokenizer, name=name, **common)


def _timm_patches_alone(visual: Network, pixels: Tensor) -> Tensor:
    """[B, P, dim]: the tower's own pooling and head, run on each patch (ViT) or cell (convolutional map) by itself."""
    trunk = visual.trunk
    tokens = trunk.forward_features(pixels)
    if tokens.ndim == 4:  # [B, C, h, w]
        batch, channels = tokens.shape[:2]
        alone = tokens.permute(0, 2, 3, 1).reshape(-1, channels, 1, 1)
    else:
        batch, prefix = len(tokens), trunk.num_prefix_tokens
        patches = tokens[:, prefix:]  # [B, P, C]
        alone = patches.reshape(-1, 1, patches.shape[-1])
        include = getattr(trunk, "pool_include_prefix", getattr(trunk, "attn_pool", None) is not None)
        if prefix and trunk.global_pool != "token" and not include:  # the pooling will cut these off again
            alone = torch.cat(
                [tokens[:, None, :prefix].expand(-1, patches.shape[1], -1, -1).flatten(0, 1), alone], dim=1
            )
    return visual.head(trunk.forward_head(alone)).unflatten(0, (batch, -1))


def _clip_patches_alone(visual: Network, pixels: Tensor) -> Tensor:
    """[B, P, dim]: all blocks but the last on the whole image, the last one on each patch alone, then the
    projection."""
    if getattr(visual, "attn_pool", None) is not None or not hasattr(visual, "transformer"):
        raise InputError(
            type(visual).__name__,
            expected="a tower with a class token",
            got="another pooling",
            fix="Use a SigLIP2 or CLIP model.",
        )
    blocks = visual.transformer.resblocks
    before = visual.forward_intermediates(pixels, indices=[len(blocks) - 2], output_fmt="NLC", intermediates_only=True)[
        "image_intermediates"
    ][0]
    alone = before.reshape(-1, 1, before.shape[-1])  # [B P, 1, C]
    last = blocks[-1](alone if visual.transformer.batch_first else alone.transpose(0, 1)).reshape(before.shape)
    return visual.ln_post(last) @ visual.proj


def _stride(visual: Network) -> int:
    if not hasattr(visual, "trunk"):
        return visual.patch_size[0]
    embed = getattr(visual.trunk, "patch_embed", None)
    return embed.patch_size[0] if embed is not None else visual.trunk.feature_info[-1]["reduction"]


def _embedding_size(model: Network) -> int:
    projection = getattr(model, "text", model).text_projection
    return projection.out_features if isinstance(projection, nn.Linear) else projection.shape[1]
