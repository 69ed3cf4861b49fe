"""Tiny untrained models of the released classes, written in the released file layouts: to rehearse a foundation run
without its weights.

Their features mean nothing. Everything else - loading, shapes, caching, masks, lifting - is the real thing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from chorus.teachers.foundation.loading import quiet
from chorus.teachers.foundation.siglip import CONFIG

_WORDS = (
    "this is a the of wall floor ceiling chair table sofa bed lamp door window sink piano cabinet shelf plant picture"
).split()


def write_standins(folder: Path, *, seed: int = 0) -> dict[str, str]:
    """Write one model for each of lang, dino, object, masks and return their paths by that name, as
    ``teachers.foundation`` wants them."""

    places = {name: Path(folder) / name for name in ("lang", "dino", "object", "masks")}
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(seed)
        write_open_clip(places["lang"])
        write_dinov3(places["dino"])
        write_perception(places["object"])
        write_sam(places["masks"])
    return {name: str(place) for name, place in places.items()}


def write_open_clip(
    folder: Path, *, vision: dict | None = None, hub_tokenizer: bool = True, dim: int = 48, custom: bool = True
) -> None:
    """open_clip's layout. vision: its vision_cfg; the default is SigLIP's arrangement, a ViT pooled by attention. No
    hub_tokenizer: CLIP's own."""
    import open_clip
    from safetensors.torch import save_file

    vision = vision or {
        "timm_model_name": "test_vit3",
        "timm_model_pretrained": False,
        "timm_pool": "map",
        "timm_proj": "linear",
        "image_size": 160,
    }
    text = {
        "context_length": 64,
        "vocab_size": len(_WORDS) + 3,
        "width": 32,
        "heads": 2,
        "layers": 2,
        "no_causal_mask": True,
        "pool_type": "last",
    }
    text = (
        {**text, "hf_tokenizer_name": "local"}
        if hub_tokenizer
        else {**text, "context_length": 77, "vocab_size": 49408, "pool_type": "argmax"}
    )
    config = {"embed_dim": dim, "vision_cfg": vision, "text_cfg": text, "custom_text": custom}
    folder.mkdir(parents=True, exist_ok=True)
    pixels = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
    (folder / CONFIG).write_text(json.dumps({"model_cfg": config, "preprocess_cfg": pixels}))
    if hub_tokenizer:
        _tokenizer().save_pretrained(folder)
    model: Any = open_clip.create_model(f"local-dir:{folder}")
    for parameter in model.visual.parameters():  # released towers see differences between images: start far from zero
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")


def write_dinov3(folder: Path, *, dim: int = 32, registers: int = 4) -> None:
    """transformers' layout of DINOv3."""
    from transformers import DINOv3ViTConfig, DINOv3ViTModel

    sizes: dict[str, Any] = {
        "hidden_size": dim,
        "intermediate_size": 2 * dim,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    DINOv3ViTModel(
        DINOv3ViTConfig(**sizes, num_register_tokens=registers, patch_size=16, initializer_range=0.2)
    ).save_pretrained(folder)


def write_dinov2(folder: Path, *, dim: int = 32, registers: int = 0) -> None:
    """transformers' layout of DINOv2, with registers or without."""
    from transformers import Dinov2Config, Dinov2Model, Dinov2WithRegistersConfig, Dinov2WithRegistersModel

    sizes: dict[str, Any] = {
        "hidden_size": dim,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "patch_size": 14,
        "image_size": 70,
        "mlp_ratio": 2,
    }
    if registers:
        Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**sizes, num_register_tokens=registers)).save_pretrained(
            folder
        )
    else:
        Dinov2Model(Dinov2Config(**sizes)).save_pretrained(folder)


def write_perception(folder: Path, *, dim: int = 36) -> None:
    """timm's layout of PE-Spatial."""
    import timm
    from timm.models._hub import save_for_hf

    sizes: dict[str, Any] = {"embed_dim": dim, "depth": 2, "num_heads": 3}
    net = timm.create_model("vit_pe_spatial_large_patch14_448", num_classes=0, img_size=112, **sizes)
    save_for_hf(net, str(folder), model_args={**sizes, "img_size": 112}, safe_serialization=True)


def write_sam(folder: Path, *, grid: int = 8) -> None:
    """segment-anything's layout: one checkpoint, here of a network that sees ``16 grid`` pixels and has every part of
    the real one."""
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    from chorus.teachers.foundation.sam import SAM_MEAN, SAM_STD

    side, prompt = 16 * grid, 32
    encoder = ImageEncoderViT(
        img_size=side,
        embed_dim=32,
        depth=3,
        num_heads=2,
        mlp_ratio=2,
        out_chans=prompt,
        use_rel_pos=True,
        window_size=3,
        global_attn_indexes=(1,),
    )
    prompts = PromptEncoder(
        embed_dim=prompt, image_embedding_size=(grid, grid), input_image_size=(side, side), mask_in_chans=8
    )
    transformer = TwoWayTransformer(depth=2, embedding_dim=prompt, mlp_dim=64, num_heads=8)
    decoder = MaskDecoder(transformer_dim=prompt, transformer=transformer, iou_head_depth=3, iou_head_hidden_dim=32)
    sam: Any = Sam(
        image_encoder=encoder,
        prompt_encoder=prompts,
        mask_decoder=decoder,
        pixel_mean=list(SAM_MEAN),
        pixel_std=list(SAM_STD),
    )
    with torch.no_grad():  # loud enough that points and pictures make a difference, and every mask is thought good
        for name, parameter in sam.named_parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=1.0 if name.startswith("mask_decoder") else 0.3)
        sam.mask_decoder.iou_prediction_head.layers[-1].weight.mul_(0.01)
        sam.mask_decoder.iou_prediction_head.layers[-1].bias.fill_(3.0)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(sam.state_dict(), folder / "sam_vit_t.pth")


def _tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<eos>", "<unk>"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate([*special, *_WORDS])}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")
