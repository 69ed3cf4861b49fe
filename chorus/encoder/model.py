"""The scene encoder: Point Transformer V3 as revised for Sonata (Wu et al. 2025), encoder only.

Names and shapes of the parameters are those of the released checkpoints, and so are its outputs, to rounding. What
differs is what the outputs may depend on: nothing is shuffled, and rows are put into z-order first, so that permuting
the input permutes the output and changes no bit of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from chorus.encoder.attention import WindowAttention
from chorus.encoder.curves import ORDERS, Level, Pyramid, build_pyramid
from chorus.encoder.linear import in_row_blocks, linear, plus
from chorus.encoder.sparse_conv import SubmanifoldConv
from chorus.errors import InputError
from chorus_kernels import segment_reduce


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Size of an encoder. A level with depth 0 has no block: it embeds and pools only."""

    in_channels: int = 11
    channels: tuple[int, ...] = (48, 96, 192, 384, 512)
    depths: tuple[int, ...] = (3, 3, 3, 12, 3)
    heads: tuple[int, ...] = (3, 6, 12, 24, 32)
    window: int = 1024  # rows that attend together
    orders: tuple[str, ...] = ORDERS
    mlp_ratio: float = 4.0
    drop_path: float = 0.3  # of the last block, linear from 0

    def __post_init__(self):
        for name in ("channels", "depths", "heads", "orders"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not len(self.channels) == len(self.depths) == len(self.heads) >= 1:
            raise InputError(
                "encoder config",
                expected="channels, depths and heads of one length",
                got=(self.channels, self.depths, self.heads),
            )
        if any(c % h for c, h in zip(self.channels, self.heads, strict=True)):
            raise InputError("encoder config", expected="channels divisible by heads", got=(self.channels, self.heads))
        unknown = [name for name in self.orders if name not in ORDERS]
        if unknown or not self.orders or self.window < 1:
            raise InputError(
                "encoder config",
                expected=f"orders among {', '.join(ORDERS)} and a window >= 1",
                got=(self.orders, self.window),
            )

    @property
    def width(self) -> int:
        """Channels of the up-cast output."""
        return sum(self.channels)


LARGE = 50_000_000  # parameters from which an encoder's activations are computed twice rather than kept

PRESETS = {
    "tiny": EncoderConfig(
        channels=(32, 48, 64, 96, 128), depths=(0, 1, 1, 2, 1), heads=(2, 3, 4, 6, 8), window=128, drop_path=0.0
    ),
    "small": EncoderConfig(
        channels=(32, 64, 128, 192, 256), depths=(2, 2, 2, 4, 2), heads=(2, 4, 8, 12, 16), window=512, drop_path=0.2
    ),
    "base": EncoderConfig(),
}


def preset(name: str, *, in_channels: int = 11) -> EncoderConfig:
    """tiny (trains on a CPU core), small, or base (the released size)."""
    if name not in PRESETS:
        raise InputError("encoder preset", expected=" | ".join(PRESETS), got=repr(name))
    return replace(PRESETS[name], in_channels=in_channels)


class EncoderOutput(NamedTuple):
    """upcast: [R, sum of channels] for the rows asked for; tokens: [M, channels[-1]] of the last level in lexicographic
    order of sample, x, y, z, with their cells and samples."""

    upcast: Tensor
    tokens: Tensor
    tokens_grid: Tensor  # [M, 3] int32
    tokens_batch: Tensor  # [M] int32


class DropPath(nn.Module):
    """Drop the branch of a row with probability p while training (stochastic depth)."""

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:  # [M, C]
        if not self.training or self.p == 0.0:
            return x
        keep = torch.rand(len(x), 1, device=x.device, dtype=x.dtype) >= self.p
        return x * keep / (1.0 - self.p)


class Mlp(nn.Module):
    """Linear, GELU, Linear; hidden ``ratio`` times as wide."""

    def __init__(self, channels: int, ratio: float):
        super().__init__()
        self.fc1 = nn.Linear(channels, int(channels * ratio))
        self.fc2 = nn.Linear(int(channels * ratio), channels)

    def forward(self, x: Tensor) -> Tensor:  # [M, C]
        return linear(linear(x, self.fc1, gelu=True), self.fc2)


class Block(nn.Module):
    """x += LN(Linear(Conv x)); x += Attention(LN x); x += MLP(LN x)."""

    def __init__(self, channels: int, heads: int, *, mlp_ratio: float, drop_path: float):
        super().__init__()
        self.cpe = nn.Sequential(SubmanifoldConv(channels), nn.Linear(channels, channels), nn.LayerNorm(channels))
        self.norm1 = nn.Sequential(nn.LayerNorm(channels))
        self.attn = WindowAttention(channels, heads)
        self.norm2 = nn.Sequential(nn.LayerNorm(channels))
        self.mlp = nn.Sequential(Mlp(channels, mlp_ratio))
        self.drop = DropPath(drop_path)
        self.widest = int(channels * mlp_ratio)

    def forward(self, x: Tensor, level: Level, curve: int) -> Tensor:  # [M, C]
        """The sum is in x's own memory where no gradient is kept on the CPU."""
        conv, dense, norm = self.cpe
        channels, attn = x.shape[1], self.attn
        x = plus(x, lambda rows: norm(linear(rows, dense)), conv(x, level.table), width=channels)
        qkv = in_row_blocks(lambda rows: linear(self.norm1(rows), attn.qkv), x, width=3 * channels)
        answers = attn.answers(qkv, level.windows[curve])
        del qkv  # the widest tensor of all rows
        x = plus(x, lambda rows: self.drop(linear(rows, attn.proj)), answers, width=channels)
        return plus(x, lambda rows: self.drop(self.mlp(self.norm2(rows))), x, width=self.widest)


class GridPooling(nn.Module):
    """Halve the grid: Linear, maximum over the children, LN, GELU."""

    def __init__(self, in_channels: int, channels: int):
        super().__init__()
        self.proj = nn.Linear(in_channels, channels)
        self.norm = nn.Sequential(nn.LayerNorm(channels))

    def forward(self, x: Tensor, indptr: Tensor) -> Tensor:  # [M, C], [M' + 1] -> [M', C']
        return nn.functional.gelu(self.norm(segment_reduce(linear(x, self.proj).float(), indptr, "max")))


class Stem(nn.Module):
    """Linear, LN, GELU: what a voxel's row becomes first."""

    def __init__(self, in_channels: int, channels: int):
        super().__init__()
        self.linear = nn.Linear(in_channels, channels)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:  # [M, in] -> [M, C]
        return nn.functional.gelu(self.norm(self.linear(x)))


class Encoder(nn.Module):
    """Voxels in, features of every level out."""

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.config = config
        self.checkpointing = False  # keep only what enters a block, and compute the rest again on the way back
        self.embedding = nn.ModuleDict({"stem": Stem(config.in_channels, config.channels[0])})
        drop = [config.drop_path * i / max(1, sum(config.depths) - 1) for i in range(sum(config.depths))]
        self.enc = nn.ModuleDict()
        for s, (channels, depth, heads) in enumerate(zip(config.channels, config.depths, config.heads, strict=True)):
            stage = nn.ModuleDict()
            if s > 0:
                stage["down"] = GridPooling(config.channels[s - 1], channels)
            for b in range(depth):
                rate = drop[sum(config.depths[:s]) + b]
                stage[f"block{b}"] = Block(channels, heads, mlp_ratio=config.mlp_ratio, drop_path=rate)
            self.enc[f"enc{s}"] = stage

    def set_checkpointing(self, when: str) -> None:
        """Whether activations are computed again on the way back, for the same gradients in less memory: always, never,
        or for large encoders (auto)."""
        size = sum(parameter.numel() for parameter in self.parameters())
        self.checkpointing = when == "always" or (when == "auto" and size >= LARGE)

    def prepare(self, grid: Tensor, offset: Tensor) -> Pyramid:
        """The geometry of a batch (see curves.build_pyramid), to keep while voxels do not move; made where the grid is,
        kept beside the weights. offset: on the host."""
        c = self.config
        pyramid = build_pyramid(grid, offset, depths=c.depths, window=c.window, orders=c.orders)
        device = next(self.parameters()).device
        return pyramid if device == grid.device else pyramid.to(device)

    def forward(self, grid: Tensor, feat: Tensor, offset: Tensor) -> EncoderOutput:
        """grid: [N, 3] int cells >= 0, unique within a sample; feat: [N, in_channels]; offset: [B] cumulative rows."""
        if len(grid) == 0 or len(grid) != len(feat) or int(offset[-1]) != len(grid):
            raise InputError(
                "encoder",
                expected="N >= 1 rows in grid, feat and offset[-1]",
                got=f"{len(grid)}, {len(feat)}, {int(offset[-1])}",
            )
        return self.run(self.prepare(grid, offset), feat)

    def run(self, pyramid: Pyramid, feat: Tensor, *, rows: Tensor | None = None) -> EncoderOutput:
        """Encode over prepared geometry. rows: [R] the given rows whose up-cast is wanted, all when None."""
        features = self.level_features(pyramid, feat)
        return EncoderOutput(upcast(features, pyramid.ancestors(rows)), *last_level(features, pyramid))

    def level_features(
        self, pyramid: Pyramid, feat: Tensor, *, step: Callable[[float], None] | None = None
    ) -> list[Tensor]:
        """Features of each level [M_l, C_l], rows in the pyramid's order. Raises InputError for another number of
        inputs.

        step: called after each block with its share of the work; the shares sum to 1.
        """
        if feat.ndim != 2 or feat.shape[1] != self.config.in_channels:
            raise InputError(
                "encoder",
                expected=f"features [N, {self.config.in_channels}]",
                got=list(feat.shape),
                fix="Use the checkpoint of this input variant.",
            )
        x = self.embedding["stem"](feat.index_select(0, pyramid.order))
        features = []
        costs = [
            len(level.grid) * c * (40 * c + 4 * self.config.window)
            for level, c in zip(pyramid.levels, self.config.channels, strict=True)
        ]
        total = sum(cost * depth for cost, depth in zip(costs, self.config.depths, strict=True))
        stages = [stage for stage in self.enc.values() if isinstance(stage, nn.ModuleDict)]
        for level, stage in zip(pyramid.levels, stages, strict=True):
            if "down" in stage:
                x = stage["down"](x, pyramid.levels[len(features) - 1].indptr)
            blocks = [module for name, module in stage.items() if name != "down"]
            for b, block in enumerate(blocks):
                curve = b % len(level.windows)
                if self.checkpointing and torch.is_grad_enabled():
                    x = checkpoint(block, x, level, curve, use_reentrant=False)
                else:
                    x = block(x, level, curve)
                if step is not None:
                    step(costs[len(features)] / total)
            features.append(x)
        return features


def upcast(features: list[Tensor], index: list[Tensor]) -> Tensor:
    """[R, sum of channels] features of each level [M_l, C_l] at the rows [R] of each level, side by side."""
    return torch.cat([x.index_select(0, rows) for x, rows in zip(features, index, strict=True)], dim=1)


def last_level(features: list[Tensor], pyramid: Pyramid) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens [M, C], cells [M, 3] and samples [M] of the last level, sorted by sample, x, y, z."""
    last = pyramid.levels[-1]
    order = _lexicographic(last)
    return features[-1][order], last.grid[order], last.batch[order]


def _lexicographic(level: Level) -> Tensor:
    """[M] rows sorted by sample, x, y, z."""
    grid = level.grid.long()
    size = grid.max() + 1  # never read: a step would wait for it
    return (((level.batch.long() * size + grid[:, 0]) * size + grid[:, 1]) * size + grid[:, 2]).argsort()
