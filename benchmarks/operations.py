"""How many floating-point operations the encoder does, and how many a second torch's own matrix product reaches."""

from __future__ import annotations

import time

import torch

from chorus.encoder.curves import Pyramid
from chorus.encoder.model import EncoderConfig

OPERATORS = {
    "dense layers": ("mkldnn::_linear_pointwise", "aten::addmm", "aten::mm"),
    "attention": (
        "_WindowAttention",
        "aten::_scaled_dot_product_flash_attention_for_cpu",
        "aten::_scaled_dot_product_attention_math",
    ),
    "convolution": ("_Conv",),
}


def operations(pyramid: Pyramid, config: EncoderConfig) -> dict[str, float]:
    """Floating-point operations of each part; what windows repeat and masks hide is counted as done."""
    rows = [len(level.grid) for level in pyramid.levels]
    dense = 2.0 * rows[0] * config.in_channels * config.channels[0]
    attention = convolution = 0.0
    for i, (level, c, depth) in enumerate(zip(pyramid.levels, config.channels, config.depths, strict=True)):
        if i > 0:
            dense += 2.0 * rows[i - 1] * config.channels[i - 1] * c
        dense += depth * 2.0 * rows[i] * c * c * (5 + 2 * config.mlp_ratio)  # position, qkv, projection, MLP
        for block in range(depth):
            windows, size = level.windows[block % len(level.windows)].rows.shape
            attention += 4.0 * windows * size * size * c
            convolution += 2.0 * c * c * int((level.table >= 0).sum())
    return {"dense layers": dense, "attention": attention, "convolution": convolution}


def product_rate(size: int = 2048, repeats: int = 5) -> float:
    """GF/s of torch's matrix product, the best of some."""
    a = torch.randn(size, size)
    a @ a
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - start)
    return 2e-9 * size**3 / best
