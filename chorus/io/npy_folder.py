"""Folders of .npy arrays, as SceneSplat-7K ships its scenes: coord color opacity quat scale [segment instance normal
...].

opacity is after the sigmoid, scale is linear, colour is 8-bit.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from chorus.errors import InputError
from chorus.scene import GaussianScene, scene_from_colors

_WIDTHS = {"coord": 3, "color": 3, "opacity": 1, "quat": 4, "scale": 3}


def read_npy_folder(folder: Path) -> GaussianScene:
    """A scene from a folder of arrays. Raises InputError naming the file that is absent or does not fit."""
    folder = Path(folder)
    arrays = {name: _read(folder, name) for name in _WIDTHS}
    n = len(arrays["coord"])
    for name, width in _WIDTHS.items():
        if arrays[name].size != n * width or len(arrays[name]) != n:
            raise InputError(folder / f"{name}.npy", expected=f"shape [{n}, {width}]", got=list(arrays[name].shape))
    floats = {
        name: torch.from_numpy(np.ascontiguousarray(array, np.float32).reshape(n, _WIDTHS[name]))
        for name, array in arrays.items()
    }
    if not bool((floats["scale"] >= 0).all()):
        raise InputError(folder / "scale.npy", expected="linear scales of at least 0", got="negative values or NaN")
    opacity = floats["opacity"][:, 0]
    if not bool(((opacity >= 0) & (opacity <= 1)).all()):
        raise InputError(
            folder / "opacity.npy", expected="opacities in [0, 1] (after the sigmoid)", got="values outside or NaN"
        )
    return scene_from_colors(
        floats["coord"], floats["quat"], floats["scale"], opacity, floats["color"] / 255.0
    ).validate(folder)


def read_npy_labels(folder: Path) -> dict[str, np.ndarray]:
    """The optional per-Gaussian arrays that are there: segment [N], instance [N] (-1 where unlabelled), normal [N,
    3]."""
    folder = Path(folder)
    return {
        name: _read(folder, name) for name in ("segment", "instance", "normal") if (folder / f"{name}.npy").exists()
    }


def write_npy_folder(folder: Path, scene: GaussianScene, labels: dict[str, np.ndarray] | None = None) -> None:
    """Write a scene's base colours, and labels such as segment and instance [N], as a folder of arrays."""
    scene = scene.validate(folder).detached().to("cpu")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {"coord": scene.means, "opacity": scene.opacities, "quat": scene.unit_quats, "scale": scene.scales}
    arrays = {name: tensor.float().numpy() for name, tensor in arrays.items()}
    arrays["color"] = (scene.rgb * 255.0).round().to(torch.uint8).numpy()
    for name, array in {**arrays, **(labels or {})}.items():
        if len(array) != len(scene):
            raise InputError(folder / f"{name}.npy", expected=f"{len(scene)} rows", got=len(array))
        np.save(folder / f"{name}.npy", array)


def _read(folder: Path, name: str) -> np.ndarray:
    path = folder / f"{name}.npy"
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            path, expected="a .npy array", got="no such file" if isinstance(error, FileNotFoundError) else error
        ) from error
