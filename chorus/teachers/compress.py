"""Patch features on disk: plain halves, or transform-coded integers: the same lifted targets in about a tenth of the
bytes.

Coding is the textbook one for a stated error: principal axes, one rounding step for all of them (so that noise is spent
evenly, Cover and Thomas, "Reverse water-filling"), and entropy coding of each axis' codes by deflate. Rounding is noise
that differs from patch to patch and averages out over the views a Gaussian is seen in; lifted targets are therefore far
closer than single patches.

Reading is affine in the codes and lifting is a weighted mean, so codes may be lifted as they are and expanded
afterwards.
"""

from __future__ import annotations

import json
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from chorus.errors import InputError, ParamsError

_FIT_ROWS = 60_000  # patches the axes are fitted on: more change them little
_LARGEST = 32767


@dataclass(frozen=True, kw_only=True)
class Compressed:
    """codes [..., K] int16; x ~ mean + step * codes @ basis, with mean [C] and basis [K, C] of orthonormal rows."""

    codes: Tensor
    mean: Tensor
    basis: Tensor
    step: float

    @property
    def streams(self) -> list[bytes]:
        """Deflated codes, one stream an axis, a byte a code (two for the few axes with codes beyond a byte).

        Huffman codes and runs only: codes of patches hold no longer repeats worth a search.
        """
        planes = self.codes.reshape(-1, self.codes.shape[-1]).T.contiguous().numpy()
        return [
            _deflate(plane.astype("i1" if np.abs(plane).max(initial=0) < 128 else "<i2").tobytes()) for plane in planes
        ]

    def expand(self, codes: Tensor | None = None) -> Tensor:
        """[..., C] float32 from codes [..., K] (these ones by default), whole or averaged."""
        codes = self.codes if codes is None else codes
        return self.mean + (codes.float() * self.step) @ self.basis.float()


def compress(features: Tensor, *, error: float) -> Compressed:
    """Features [..., C] with a mean squared error of about ``error`` times their variance. Deterministic on one
    machine."""
    if not 0 < error < 1:
        raise ParamsError("teachers.storage_error", expected="a share of the variance between 0 and 1", got=error)
    channels = features.shape[-1]
    rows = features.reshape(-1, channels)
    mean, values, axes = _principal_axes(rows[:: max(1, len(rows) // _FIT_ROWS)])
    step = _step(values, error)
    kept = max(1, int((values > step**2 / 6).sum()))  # weaker axes cost more bits than they save error
    basis = axes[:, :kept].T.half().contiguous()
    codes = [
        ((part.float() - mean.float()) @ basis.float().T / step).round().clamp(-_LARGEST, _LARGEST).to(torch.int16)
        for part in rows.split(_FIT_ROWS)
    ]
    return Compressed(
        codes=torch.cat(codes).reshape(*features.shape[:-1], kept), mean=mean.float(), basis=basis, step=step
    )


def save_features(
    path: Path, features: Tensor, *, storage: str = "half", error: float = 0.02, teacher: str = ""
) -> None:
    """Write patch features [V, h, w, C]. storage: half, or int8 with the mean squared ``error`` as a share of the
    variance."""
    if storage == "half":
        save_file({"features": features.half().contiguous()}, path, metadata={"teacher": teacher})
        return
    if storage != "int8":
        raise ParamsError("teachers.storage", expected="half or int8", got=repr(storage))
    small = compress(features, error=error)
    streams = small.streams
    tensors = {
        "codes": torch.frombuffer(bytearray(b"".join(streams)), dtype=torch.uint8),
        "lengths": torch.tensor([len(stream) for stream in streams]),
        "mean": small.mean,
        "basis": small.basis,
    }
    save_file(tensors, path, metadata={"compressed": json.dumps([teacher, small.step, *features.shape])})


def load_features(path: Path) -> Tensor:
    """[V, h, w, C] half, whichever way they are stored. Raises InputError."""
    try:
        with safe_open(path, "pt") as file:
            if "compressed" not in (file.metadata() or {}):
                return file.get_tensor("features")
            _, step, *shape = json.loads(file.metadata()["compressed"])
            stream, lengths = file.get_tensor("codes").numpy(), file.get_tensor("lengths").tolist()
            mean, basis = file.get_tensor("mean"), file.get_tensor("basis")
        ends = np.cumsum(lengths)
        planes = [_inflate(stream[end - n : end], math.prod(shape[:-1])) for end, n in zip(ends, lengths, strict=True)]
        codes = torch.from_numpy(np.stack(planes, axis=1)).reshape(*shape[:-1], len(lengths))
    except (OSError, SafetensorError, KeyError, ValueError, zlib.error) as error:
        raise InputError(path, expected="patch features", got=error, fix="Make the teacher views again.") from error
    small = Compressed(codes=codes, mean=mean, basis=basis, step=step)
    return torch.stack([small.expand(view).half() for view in codes])  # view by view: float32 of one view at a time


def features_shape(path: Path) -> tuple[int, ...]:
    """(V, h, w, C), read without the features. Raises InputError."""
    try:
        with safe_open(path, "pt") as file:
            notes = file.metadata() or {}
            if "compressed" in notes:
                return tuple(json.loads(notes["compressed"])[2:])
            return tuple(file.get_slice("features").get_shape())
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise InputError(path, expected="patch features", got=error, fix="Make the teacher views again.") from error


def _principal_axes(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean [C], variances [C] (largest first) and axes [C, C] (columns, signs fixed) of rows [n, C]. Products in
    float32: axes are kept in half."""
    mean = rows.mean(dim=0, dtype=torch.float64)
    centered = rows.float() - mean.float()
    values, axes = torch.linalg.eigh((centered.T @ centered).double() / len(centered))
    values, axes = values.flip(0).clamp_min(0), axes.flip(1)
    return mean, values, axes * axes.gather(0, axes.abs().argmax(dim=0, keepdim=True)).sign()


def _step(values: Tensor, error: float) -> float:
    """The rounding step whose noise (step^2 / 12 on axes that are kept, all variance of the others) is ``error`` of the
    whole; by bisection."""
    widest = max(float(values[0]) ** 0.5, 1e-12)
    low, high = widest * 10 / _LARGEST, widest * 10  # ten standard deviations fit in a code
    for _ in range(60):
        step = (low * high) ** 0.5
        noise = torch.where(values > step**2 / 6, step**2 / 12, values).sum()
        low, high = (step, high) if noise < error * values.sum() else (low, step)
    return low


def _deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    return packer.compress(data) + packer.flush()


def _inflate(stream: np.ndarray, count: int) -> np.ndarray:
    """[count] int16."""
    data = zlib.decompress(stream.data)
    return np.frombuffer(data, "i1" if len(data) == count else "<i2").astype(np.int16)
