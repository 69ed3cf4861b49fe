"""Per-Gaussian features as one safetensors file: `features` [N, C], `valid` [N], and what made them as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from chorus.errors import InputError
from chorus.store import atomic_file

_KEY = "chorus"  # one metadata entry: several would be written in random order, and equal content must give equal bytes


@dataclass(frozen=True, kw_only=True)
class Features:
    """Features of N Gaussians in the order of their scene file."""

    features: Tensor  # [N, C] float32
    valid: Tensor  # [N] bool
    info: dict = field(default_factory=dict)  # plain JSON: model, scene, level


def write_features(path: Path, features: Tensor, *, valid: Tensor | None = None, info: dict | None = None) -> None:
    """Write features [N, C] in half precision. Raises InputError on NaN, infinity or what half cannot hold."""
    half = features.detach().to("cpu", torch.float16).contiguous()
    if half.ndim != 2:
        raise InputError(path, expected="features of shape [N, C]", got=list(half.shape))
    if not torch.isfinite(half).all():
        raise InputError(path, expected="finite features below 65504", got="NaN, infinity or larger values")
    valid = torch.ones(len(half), dtype=torch.bool) if valid is None else valid.cpu().bool()
    with atomic_file(Path(path)) as temporary:
        save_file({"features": half, "valid": valid.contiguous()}, temporary, metadata={_KEY: json.dumps(info or {}, sort_keys=True)})


def read_features(path: Path) -> Features:
    """Read what :func:`write_features` wrote. Raises InputError when the file is absent, damaged or something else."""
    try:
        with safe_open(path, framework="pt") as stream:
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}
            info = json.loads((stream.metadata() or {}).get(_KEY, "{}"))
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        raise InputError(path, expected="a safetensors file of features", got=error) from error
    if "features" not in tensors or tensors["features"].ndim != 2:
        raise InputError(path, expected="a tensor 'features' [N, C]", got=", ".join(tensors) or "no tensor")
    valid = tensors.get("valid", torch.ones(len(tensors["features"]), dtype=torch.bool))
    return Features(features=tensors["features"].float(), valid=valid.bool(), info=info)
