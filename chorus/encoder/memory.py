"""How much memory of a card a model needs, said before the work starts. Estimates, on the safe side; not measured on a
card."""

from __future__ import annotations

import torch
from torch import nn

from chorus.encoder.model import EncoderConfig
from chorus.errors import InputError

BYTES = 4  # of a float32
THINNED = 3  # rows of a level over those of the next: surfaces quarter, clutter less
WIDE = 14  # channels' worth of rows a block holds at once without gradients: row, branch, qkv and its windows, hidden
KEPT = 22  # and what it keeps for its backward pass
ROOM = 0.9  # of the free memory may be asked for


def encode_row_bytes(config: EncoderConfig) -> float:
    """Bytes to encode one voxel: features of all levels, the widest block, and the geometry (neighbours, windows)."""
    rows = _rows_of_levels(config)
    kept = sum(share * c for share, c in zip(rows, config.channels, strict=True))
    widest = max(share * c for share, c in zip(rows, config.channels, strict=True))
    geometry = sum(share * (27 * 4 + 40 * len(config.orders)) for share in rows)
    return BYTES * (kept + WIDE * widest) + geometry


def train_bytes(model: nn.Module, config: EncoderConfig, *, rows: int, drawn: int, channels: int) -> float:
    """Bytes of a training step: weights, gradients and two moments; what blocks keep of ``rows`` voxels; predictions
    and targets of ``drawn`` Gaussians in ``channels`` channels of all heads."""
    parameters = sum(p.numel() for p in model.parameters())
    shares = _rows_of_levels(config)
    kept = sum(s * c * (2 + KEPT * d) for s, c, d in zip(shares, config.channels, config.depths, strict=True))
    return BYTES * (4 * parameters + rows * kept + drawn * (2 * config.width + 4 * channels))


def free_bytes(device: torch.device) -> float | None:
    """Free memory of a card; None for a device that cannot say."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None


def require_card(needed: float, device: torch.device, *, where: str, fix: str) -> None:
    """Raise InputError, before the work starts, when a card has not the memory for it."""
    free = free_bytes(device)
    if free is not None and needed > ROOM * free:
        raise InputError(
            where, expected=f"about {needed / 2**30:.1f} GiB free on {device}", got=f"{free / 2**30:.1f} GiB", fix=fix
        )


def rows_that_fit(config: EncoderConfig, device: torch.device, *, least: int) -> int | None:
    """Voxels that may be encoded at once on a card; None for a device that cannot say. Raises InputError where not even
    ``least`` fit."""
    free = free_bytes(device)
    if free is None:
        return None
    need = encode_row_bytes(config)
    require_card(need * least, device, where="encode", fix="Free the card, or set device: cpu (CHORUS_DEVICE=cpu).")
    return int(ROOM * free / need)


def _rows_of_levels(config: EncoderConfig) -> list[float]:
    return [THINNED**-level for level in range(len(config.channels))]
