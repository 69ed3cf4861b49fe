"""The .splat format of web viewers: 32 bytes a Gaussian - position, linear scale (float32), RGBA and rotation
(bytes)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from chorus.errors import InputError
from chorus.scene import GaussianScene, scene_from_colors
from chorus.store import atomic_file

_ROW = np.dtype([("position", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("rotation", "u1", 4)])


def read_splat(path: Path) -> GaussianScene:
    """A scene from a .splat file; colour and opacity have 8 bits there. Raises InputError on a cut-off file or NaN."""
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(path, expected="a readable .splat file", got=error.strerror or error) from error
    if len(content) == 0 or len(content) % _ROW.itemsize:
        raise InputError(
            path,
            expected=f"a multiple of {_ROW.itemsize} bytes",
            got=len(content),
            fix="The file is cut off or no .splat: copy it again.",
        )
    rows = np.frombuffer(content, _ROW)
    if (rows["scale"] < 0).any():
        raise InputError(
            path, expected="scales of at least 0", got=f"{int((rows['scale'] < 0).any(axis=1).sum())} negative ones"
        )
    rgba = torch.from_numpy(rows["rgba"].astype(np.float32) / 255.0)
    quats = torch.from_numpy(rows["rotation"].astype(np.float32) - 128.0) / 128.0
    degenerate = quats.norm(dim=1) < 1e-3
    quats[degenerate] = torch.tensor([1.0, 0.0, 0.0, 0.0])
    return scene_from_colors(
        torch.from_numpy(rows["position"].astype(np.float32)),
        quats,
        torch.from_numpy(rows["scale"].astype(np.float32)),
        rgba[:, 3],
        rgba[:, :3],
    ).validate(path)


def write_splat(path: Path, scene: GaussianScene) -> None:
    """Write a scene's base colours as .splat (view-dependent colour is lost), the largest and most opaque first."""
    scene = scene.validate(path).detached().to("cpu")
    size = scene.log_scales.sum(dim=1).exp() * scene.opacities
    scene = scene.select(torch.argsort(size, descending=True, stable=True))
    rows = np.empty(len(scene), _ROW)
    rows["position"], rows["scale"] = scene.means.numpy(), scene.scales.numpy()
    rgba = torch.cat([scene.rgb, scene.opacities[:, None]], dim=1)
    rows["rgba"] = (rgba * 255.0).round().to(torch.uint8).numpy()
    rows["rotation"] = (scene.unit_quats * 128.0 + 128.0).round().clamp(0, 255).to(torch.uint8).numpy()
    with atomic_file(Path(path)) as temporary:
        temporary.write_bytes(rows.tobytes())
