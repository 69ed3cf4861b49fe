"""Patch features on disk: plain halves, or int8 codes of their leading principal components.

Both readings are affine in what is stored and lifting is a weighted mean, so codes may be lifted as they are and expanded afterwards:
K numbers a Gaussian instead of C (:meth:`Compressed.expand`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from chorus.errors import InputError, ParamsError

_FIT_ROWS = 60_000  # patches the axes are fitted on: more changes them little
_REACH = 6.0  # standard deviations the codes span; what lies beyond is clipped


@dataclass(frozen=True, kw_only=True)
class Compressed:
    """codes [..., K] int8; x ~ mean + (codes * step) @ basis, with mean [C], step [K], basis [K, C] of orthonormal rows."""

    codes: Tensor
    mean: Tensor
    step: Tensor
    basis: Tensor

    @property
    def bytes(self) -> int:
        return self.codes.numel() + 4 * (self.mean.numel() + self.step.numel()) + 2 * self.basis.numel()

    def expand(self, codes: Tensor | None = None) -> Tensor:
        """[..., C] float32 from codes [..., K] (these ones by default), whole or averaged."""
        codes = self.codes if codes is None else codes
        return self.mean + (codes.float() * self.step) @ self.basis.float()


def compress(features: Tensor, *, rank: int) -> Compressed:
    """Project features [..., C] onto their ``rank`` leading principal axes and round each coordinate to a 255th of its range.

    Axes come from at most 60 000 evenly spaced rows. All of it is deterministic.
    """
    channels = features.shape[-1]
    rows = features.reshape(-1, channels)
    sample = rows[:: max(1, len(rows) // _FIT_ROWS)].double()
    mean = sample.mean(dim=0)
    centred = sample - mean
    values, axes = torch.linalg.eigh(centred.T @ centred / len(centred))
    axes = axes.flip(1)[:, : min(rank, channels)]  # [C, K], largest first
    axes = axes * axes.gather(0, axes.abs().argmax(dim=0, keepdim=True)).sign()
    spread = values.flip(0)[: axes.shape[1]].clamp_min(0).sqrt()
    basis = axes.T.half().contiguous()
    step = (spread * _REACH / 127).clamp_min(1e-12).float()
    codes = torch.cat([((part.float() - mean.float()) @ basis.float().T / step).round().clamp(-127, 127).to(torch.int8) for part in rows.split(_FIT_ROWS)])
    return Compressed(codes=codes.reshape(*features.shape[:-1], -1), mean=mean.float(), step=step, basis=basis)


def save_features(path: Path, features: Tensor, *, storage: str = "half", rank: int = 256, teacher: str = "") -> None:
    """Write patch features [V, h, w, C]. storage: half, or int8 with ``rank`` components."""
    if storage == "half":
        save_file({"features": features.half().contiguous()}, path, metadata={"teacher": teacher})
    elif storage == "int8":
        small = compress(features, rank=rank)
        tensors = {"codes": small.codes, "mean": small.mean, "step": small.step, "basis": small.basis}
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata={"teacher": teacher})
    else:
        raise ParamsError("teachers.foundation.storage", expected="half or int8", got=repr(storage))


def load_features(path: Path) -> Tensor:
    """[V, h, w, C] half, whichever way they are stored. Raises InputError."""
    with _open(path) as file:
        names = set(file.keys())
        if "features" in names:
            return file.get_tensor("features")
        return Compressed(**{name: file.get_tensor(name) for name in ("codes", "mean", "step", "basis")}).expand().half()


def features_shape(path: Path) -> tuple[int, ...]:
    """(V, h, w, C), read without the features."""
    with _open(path) as file:
        if "features" in set(file.keys()):
            return tuple(file.get_slice("features").get_shape())
        return (*file.get_slice("codes").get_shape()[:-1], file.get_slice("mean").get_shape()[0])


class _open:
    """safe_open with this project's error."""

    def __init__(self, path: Path):
        self._path = path

    def __enter__(self):
        try:
            self._file = safe_open(self._path, "pt")
            return self._file.__enter__()
        except (OSError, SafetensorError) as error:
            raise InputError(self._path, expected="patch features", got=error, fix="Make the teacher views again.") from error

    def __exit__(self, *reason) -> None:
        self._file.__exit__(*reason)
