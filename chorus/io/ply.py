"""The standard .ply of 3D Gaussian splatting (Kerbl et al. 2023): x y z nx ny nz f_dc_* f_rest_* opacity scale_* rot_*.

opacity is a logit, scales are natural logarithms, rot is wxyz, f_rest holds all of one channel before the next.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch

from chorus.errors import InputError
from chorus.io.ply_table import columns_of, names_of, read_table, write_table
from chorus.scene import GaussianScene

_CORE = {
    "means": ["x", "y", "z"],
    "dc": ["f_dc_0", "f_dc_1", "f_dc_2"],
    "opacity": ["opacity"],
    "log_scales": ["scale_0", "scale_1", "scale_2"],
    "quats": ["rot_0", "rot_1", "rot_2", "rot_3"],
}


def read_ply(path: Path) -> GaussianScene:
    """A scene from a 3DGS .ply, ascii or binary. Raises InputError naming missing properties, NaN or a cut-off file."""
    return scene_of_table(path, read_table(path))


def scene_of_table(path: Path, table: np.ndarray) -> GaussianScene:
    """A scene from the rows [N] of a 3DGS .ply; path: named in errors."""
    rest = _rest_names(path, names_of(table))
    _check_columns(path, table, [name for names in _CORE.values() for name in names])
    fields = {field: torch.from_numpy(columns_of(table, names)) for field, names in _CORE.items()}
    sh = fields["dc"][:, None]  # [N, 1, 3]
    if rest:
        coefficients = torch.from_numpy(columns_of(table, rest)).reshape(len(table), 3, -1)  # [N, 3, K - 1]
        sh = torch.cat([sh, coefficients.transpose(1, 2)], dim=1)
    scene = GaussianScene(
        means=fields["means"],
        quats=fields["quats"],
        log_scales=fields["log_scales"],
        opacity_logits=fields["opacity"][:, 0],
        sh=sh.contiguous(),
    )
    return scene.validate(path)


def write_ply(path: Path, scene: GaussianScene) -> None:
    """Write a scene as binary little-endian 3DGS .ply (normals zero, as the reference writes them)."""
    scene = scene.validate(path).detached().to("cpu")
    rest = scene.sh[:, 1:].transpose(1, 2).reshape(len(scene), -1)  # [N, 3 (K - 1)], channel by channel
    blocks = [
        scene.means,
        torch.zeros_like(scene.means),
        scene.sh[:, 0],
        rest,
        scene.opacity_logits[:, None],
        scene.log_scales,
        scene.quats,
    ]
    values = torch.cat([block.float() for block in blocks], dim=1).contiguous().numpy()  # [N, 17 + 3 (K - 1)]
    names = [*_CORE["means"], "nx", "ny", "nz", *_CORE["dc"], *(f"f_rest_{i}" for i in range(rest.shape[1]))]
    names += [*_CORE["opacity"], *_CORE["log_scales"], *_CORE["quats"]]
    write_table(path, values.view([(name, "f4") for name in names])[:, 0])


def _rest_names(path: Path, names: tuple[str, ...]) -> list[str]:
    rest = sorted((name for name in names if re.fullmatch(r"f_rest_\d+", name)), key=lambda name: int(name[7:]))
    if len(rest) not in (0, 9, 24, 45) or rest != [f"f_rest_{i}" for i in range(len(rest))]:
        raise InputError(path, expected="f_rest_0.. in a number of 0, 9, 24 or 45", got=f"{len(rest)} of them")
    return rest


def _check_columns(path: Path, table: np.ndarray, wanted: list[str]) -> None:
    present = names_of(table)
    if "packed_position" in present:
        raise InputError(
            path,
            expected="an uncompressed 3DGS .ply",
            got="a compressed one",
            fix="Export it uncompressed from the viewer that made it.",
        )
    missing = [name for name in wanted if name not in present]
    if missing:
        kind = " (a point cloud?)" if {"x", "y", "z"} <= set(present) and "opacity" not in present else ""
        got = f"none named {', '.join(missing)}{kind}"
        raise InputError(
            path, expected="the properties of a 3DGS .ply", got=got, fix="Export the scene from a 3DGS trainer."
        )
    if len(table) == 0:
        raise InputError(path, expected="at least one Gaussian", got="none")
