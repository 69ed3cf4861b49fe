"""SAM as segment-anything publishes it: image-encoder features as an object-aware teacher, and the network behind
automatic masks."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from chorus.errors import InputError
from chorus.extras import extra
from chorus.io.pth import read_pth
from chorus.teachers.foundation.loading import one_of
from chorus.teachers.foundation.trunk import Network, VisionTeacher

SAM_MEAN, SAM_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # of 0..255


class SamTeacher(VisionTeacher):
    """The image encoder's output (256 channels), padding cut off.

    The encoder reads squares only. The longer side fills it, the shorter one is rounded to whole patches and padded
    below as SAM does.
    """

    def __init__(self, sam: Network, **common):
        encoder = sam.image_encoder
        self._side, self._patch = encoder.img_size, encoder.patch_embed.proj.kernel_size[0]
        mean, std = (tuple(float(v) / 255.0 for v in values.flatten()) for values in (sam.pixel_mean, sam.pixel_std))
        super().__init__(encoder, role="object", dim=encoder.neck[0].out_channels, mean=mean, std=std, **common)

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        rows, cols = self.patch_grid(height, width)
        return rows * self._patch, cols * self._patch

    def patch_grid(self, height: int, width: int) -> tuple[int, int]:
        cells = self._side // self._patch
        rows, cols = (max(1, round(side * cells / max(height, width))) for side in (height, width))
        return rows, cols

    def patches(self, pixels: Tensor) -> Tensor:
        height, width = pixels.shape[-2:]
        square = nn.functional.pad(pixels, (0, self._side - width, 0, self._side - height))
        rows, cols = height // self._patch, width // self._patch
        return self.net(square)[:, :, :rows, :cols].permute(0, 2, 3, 1)


def load_sam(path: Path) -> Network:
    """A segment-anything network from its released checkpoint (``sam_vit_*.pth``), or from a folder holding one (.pth
    or .safetensors).

    Its sizes are read off the weights, so ViT-B, -L and -H, and any other Sam, load by the same call.
    """
    path = one_of(path, ["*.safetensors", "sam_vit_*.pth", "*.pth"]) if Path(path).is_dir() else Path(path)
    weights = _read(path)
    try:
        sam = build_sam(weights)
        sam.load_state_dict(weights)
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError, ZeroDivisionError) as error:
        raise InputError(
            path, expected="the weights of a segment-anything model", got=error, fix="Run: chorus teachers pull sam"
        ) from error
    return sam.eval().requires_grad_(False)


def _read(path: Path) -> dict[str, Tensor]:
    again = {"expected": "a readable checkpoint", "fix": "Run: chorus teachers pull sam"}
    if path.suffix != ".safetensors":
        return read_pth(path, **again)
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(path, got=error, **again) from error


class _Norm(nn.LayerNorm):
    def __init__(self, channels: int):
        super().__init__(channels, eps=1e-6)


def build_sam(weights: dict[str, Tensor]) -> Network:
    """An empty Sam of the sizes the weights have.

    Heads follow from the length of the relative-position tables (one row per head channel), windowed blocks from their
    number (2 window - 1 rows); a global block's table covers the whole grid.
    """
    with extra("foundation"):
        from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    shape = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    width, _, patch, _ = shape["image_encoder.patch_embed.proj.weight"]
    grid, prompt = shape["image_encoder.pos_embed"][1], shape["image_encoder.neck.0.weight"][0]
    depth = _count(shape, "image_encoder.blocks.")
    tables = [shape[f"image_encoder.blocks.{i}.attn.rel_pos_h"] for i in range(depth)]
    everywhere = [i for i, (rows, _) in enumerate(tables) if rows == 2 * grid - 1]
    windows = [(rows + 1) // 2 for i, (rows, _) in enumerate(tables) if i not in everywhere]
    encoder = ImageEncoderViT(
        depth=depth,
        embed_dim=width,
        img_size=grid * patch,
        mlp_ratio=shape["image_encoder.blocks.0.mlp.lin1.weight"][0] / width,
        norm_layer=_Norm,
        num_heads=width // tables[0][1],
        patch_size=patch,
        qkv_bias="image_encoder.blocks.0.attn.qkv.bias" in shape,
        use_rel_pos=True,
        global_attn_indexes=tuple(everywhere),
        window_size=windows[0] if windows else 0,
        out_chans=prompt,
    )
    prompts = PromptEncoder(
        embed_dim=prompt,
        image_embedding_size=(grid, grid),
        input_image_size=(grid * patch, grid * patch),
        mask_in_chans=shape["prompt_encoder.mask_downscaling.3.weight"][0],
    )
    mlp = shape["mask_decoder.transformer.layers.0.mlp.lin1.weight"][0]
    iou = "mask_decoder.iou_prediction_head.layers."
    decoder = MaskDecoder(
        num_multimask_outputs=shape["mask_decoder.mask_tokens.weight"][0] - 1,
        transformer=TwoWayTransformer(
            depth=_count(shape, "mask_decoder.transformer.layers."), embedding_dim=prompt, mlp_dim=mlp, num_heads=8
        ),
        transformer_dim=prompt,
        iou_head_depth=_count(shape, iou),
        iou_head_hidden_dim=shape[iou + "0.weight"][0],
    )
    return Sam(
        image_encoder=encoder,
        prompt_encoder=prompts,
        mask_decoder=decoder,
        pixel_mean=list(SAM_MEAN),
        pixel_std=list(SAM_STD),
    )


def _count(shape: dict, prefix: str) -> int:
    return 1 + max(int(name[len(prefix) :].split(".")[0]) for name in shape if name.startswith(prefix))
