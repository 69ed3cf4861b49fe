"""Per-Gaussian features as one safetensors file: `features` [N, C], `valid` [N], and what made them as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from chorus.errors import InputError
from chorus.files import regular
from chorus.store import atomic_file

_KEY = "chorus"  # one metadata entry: several would be written in random order, and equal content must give equal bytes


@dataclass(frozen=True, kw_only=True)
class Features:
    """Features of N Gaussians in the order of their scene file."""

    features: Tensor  # [N, C] float32
    valid: Tensor  # [N] bool
    info: dict = field(default_factory=dict)  # plain JSON: model, scene, level


class FeatureWriter:
    """Features [N, C] written row by row into their places in the file, so that they never stand in memory together."""

    def __init__(self, descriptor: int, shape: tuple[int, int], start: int, where: object):
        self._descriptor, self._shape, self._start, self._where = descriptor, shape, start, where
        self._seen = torch.zeros(shape[0], dtype=torch.bool)

    def write(self, rows: Tensor, features: Tensor) -> None:
        """Put features [R, C], in half precision, at rows [R]. Raises InputError on NaN, infinity or what half cannot
        hold."""
        if features.ndim != 2 or features.shape != (len(rows), self._shape[1]):
            raise InputError(
                self._where, expected=f"features of shape {[len(rows), self._shape[1]]}", got=list(features.shape)
            )
        rows, order = rows.cpu().sort()
        half = features.detach().to("cpu", torch.float16)[order].contiguous()
        if not torch.isfinite(half).all():
            raise InputError(self._where, expected="finite features below 65504", got="NaN, infinity or larger values")
        width, data = half.shape[1] * half.element_size(), half.numpy().data.cast("B") if half.numel() else b""
        begins = [0, *(torch.nonzero(rows.diff() != 1)[:, 0] + 1).tolist(), len(rows)]  # of runs of consecutive rows
        for begin, end, row in zip(
            begins[:-1], begins[1:], rows[begins[:-1]].tolist() if len(rows) else [0], strict=True
        ):
            _write_at(self._descriptor, data[begin * width : end * width], self._start + row * width)
        self._seen[rows] = True

    def check_complete(self) -> None:
        """Raise InputError when a row was never written."""
        if not self._seen.all():
            raise InputError(
                self._where, expected=f"features of all {self._shape[0]} rows", got=f"{int(self._seen.sum())} rows"
            )


@contextmanager
def open_features(
    path: Path, *, rows: int, channels: int, valid: Tensor | None = None, info: dict | None = None
) -> Iterator[FeatureWriter]:
    """A FeatureWriter for ``rows`` Gaussians; the file appears under its name when the block ends well and every row is
    written."""
    valid = torch.ones(rows, dtype=torch.bool) if valid is None else valid.cpu().bool().contiguous()
    size = rows * channels * 2
    entries = {
        "__metadata__": {_KEY: json.dumps(info or {}, sort_keys=True)},
        "features": {"dtype": "F16", "shape": [rows, channels], "data_offsets": [0, size]},
        "valid": {"dtype": "BOOL", "shape": [rows], "data_offsets": [size, size + rows]},
    }
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    head = text + b" " * (-len(text) % 8)  # as the format asks: tensors begin at a multiple of 8
    with atomic_file(Path(path)) as temporary:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            _write_at(descriptor, len(head).to_bytes(8, "little") + head, 0)
            start = 8 + len(head)
            _write_at(descriptor, valid.view(torch.uint8).numpy().data, start + size)
            writer = FeatureWriter(descriptor, (rows, channels), start, path)
            yield writer
            writer.check_complete()
        finally:
            os.close(descriptor)


def _write_at(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    """All of ``data`` at ``offset`` (one call writes at most 2 GiB)."""
    done = 0
    while done < len(data):
        done += os.pwrite(descriptor, data[done : done + 2**30], offset + done)


def write_features(path: Path, features: Tensor, *, valid: Tensor | None = None, info: dict | None = None) -> None:
    """Write features [N, C] in half precision. Raises InputError on NaN, infinity or what half cannot hold."""
    if features.ndim != 2:
        raise InputError(path, expected="features of shape [N, C]", got=list(features.shape))
    with open_features(path, rows=len(features), channels=features.shape[1], valid=valid, info=info) as writer:
        writer.write(torch.arange(len(features)), features)


def read_features(path: Path) -> Features:
    """Read what :func:`write_features` wrote. Raises InputError when the file is absent, damaged or something else."""
    try:
        with safe_open(regular(path), framework="pt") as stream:
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}
            info = json.loads((stream.metadata() or {}).get(_KEY, "{}"))
    except (OSError, RecursionError, SafetensorError, ValueError) as error:
        raise InputError(path, expected="a safetensors file of features", got=error) from error
    if "features" not in tensors or tensors["features"].ndim != 2:
        raise InputError(path, expected="a tensor 'features' [N, C]", got=", ".join(tensors) or "no tensor")
    rows = len(tensors["features"])
    valid = tensors.get("valid", torch.ones(rows, dtype=torch.bool))
    if valid.shape != (rows,):
        raise InputError(path, expected=f"a tensor 'valid' [{rows}]", got=list(valid.shape))
    return Features(features=tensors["features"].float(), valid=valid.bool(), info=info)
