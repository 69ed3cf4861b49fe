"""The .ply of 3D Gaussian splatting (Kerbl et al. 2023): x y z nx ny nz f_dc_* f_rest_* opacity scale_* rot_*.

opacity is a logit, scales are natural logarithms, rot is wxyz, f_rest holds all of one channel before the next. Read as
well: two scales (2DGS) as flat Gaussians, red green blue in place of f_dc, doubles, label instance score of each
Gaussian, and packed files (``compressed_ply``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from chorus.axes import UPS, axis_name, up_vector
from chorus.errors import InputError
from chorus.frames import UNITS
from chorus.io.assemble import FLAT, Columns, assemble
from chorus.io.compressed_ply import ELEMENTS, is_compressed, unpack
from chorus.io.ply_table import Ply, columns_of, names_of, read_elements, write_table
from chorus.io.points import RGB, colors_of, wide
from chorus.moving import in_file_frame
from chorus.scene import SH_C0, GaussianScene, ReadReport, SplatLabels

_MEANS, _QUATS, _DC = ["x", "y", "z"], [f"rot_{i}" for i in range(4)], [f"f_dc_{i}" for i in range(3)]
_SCALES = ["scale_0", "scale_1", "scale_2"]
_TELLING = 50  # Gaussians, from which their values tell what they are
_NAMES = "label_names "  # of a comment, a JSON list after it
_AXIS = re.compile(r"(?i)\bvertical axis:\s*([+-]?[xyz])\b")  # as nerfstudio's exporter says it
_UNIT = re.compile(r"(?i)\bunits?:\s*([a-z]+)")
_SPELLED = {"meter": "m", "metre": "m", "centi": "cm", "milli": "mm", "inch": "in", "foot": "ft", "feet": "ft"}


def read_ply(path: Path) -> GaussianScene:
    """A scene from a 3DGS .ply, ascii, binary or packed. Raises InputError naming missing properties or a cut-off
    file."""
    return scene_of_ply(path, read_elements(path, optional=ELEMENTS))


def scene_of_ply(path: Path, ply: Ply) -> GaussianScene:
    """A scene from the elements of a 3DGS .ply; path: named in errors."""
    table = ply.elements["vertex"]
    columns = unpack(path, ply) if is_compressed(ply) else _columns(path, table, ply.comments)
    scene = assemble(path, columns)
    return replace(scene, report=declared(scene.report, ply))


def write_ply(path: Path, scene: GaussianScene) -> None:
    """Write a scene as binary little-endian 3DGS .ply, in its file's frame, with the labels it has.

    Normals are zero, as the reference writes them; positions far from the origin are doubles.
    """
    scene = in_file_frame(scene.validate(path).detached().to("cpu"))
    rest = scene.sh[:, 1:].transpose(1, 2).reshape(len(scene), -1).numpy()  # [N, 3 (K - 1)], channel by channel
    offset = np.asarray(scene.frame.offset)
    means = scene.means.double().numpy() + offset if offset.any() else scene.means.numpy()
    blocks: list[tuple[Iterable[str], str, np.ndarray]] = [
        (_MEANS, "f8" if offset.any() else "f4", means),
        (["nx", "ny", "nz"], "f4", np.zeros_like(scene.means.numpy())),
        (_DC, "f4", scene.sh[:, 0].numpy()),
        ([f"f_rest_{i}" for i in range(rest.shape[1])], "f4", rest),
        (["opacity"], "f4", scene.opacity_logits[:, None].numpy()),
        (_SCALES, "f4", scene.log_scales.numpy()),
        (_QUATS, "f4", scene.quats.numpy()),
    ]
    if scene.labels is not None:
        for name, kind in (("label", "i4"), ("instance", "i4"), ("score", "f4")):
            if (array := getattr(scene.labels, name)) is not None:
                blocks.append(([name], kind, array[:, None].numpy()))
    table = np.empty(len(scene), [(name, kind) for names, kind, _ in blocks for name in names])
    for names, _, values in blocks:
        for column, name in enumerate(names):
            table[name] = values[:, column]
    write_table(path, table, comments=_comments(scene))


def _comments(scene: GaussianScene) -> list[str]:
    """What the file is to say of itself: its up and its unit, where they were said, and the labels' names."""
    report, lines = scene.report, []
    if report.up is not None and (axis := axis_name(np.array(report.up))) in UPS:
        lines.append(f"Vertical axis: {axis}")
    if report.unit is not None and (unit := [name for name, meters in UNITS.items() if meters == report.unit]):
        lines.append(f"Unit: {unit[0]}")
    if scene.labels is not None and scene.labels.names:
        lines.append(_NAMES + json.dumps(scene.labels.names))
    return lines


def _columns(path: Path, table: np.ndarray, comments: tuple[str, ...]) -> Columns:
    names = names_of(table)
    rest = _rest_names(path, names)
    scales = [name for name in _SCALES if name in names]
    flat = scales == _SCALES[:2]  # 2DGS: the third axis has no thickness
    color = _DC if set(_DC) <= set(names) or not set(RGB) <= set(names) else RGB
    wanted = [*_MEANS, *color, "opacity", *(scales if flat else _SCALES), *_QUATS]
    _check_columns(path, names, wanted)
    _check_floats(path, table, [name for name in (*wanted, *rest) if name not in (*_MEANS, *RGB)])
    _check_activation(path, table, scales)
    log_scales = columns_of(table, scales)
    if flat:
        log_scales = np.concatenate([log_scales, np.full((len(table), 1), FLAT, np.float32)], axis=1)
    dc = columns_of(table, _DC) if color is _DC else (colors_of(table) - 0.5) / SH_C0
    sh = dc[:, None]  # [N, 1, 3]
    if rest:
        coefficients = columns_of(table, rest).reshape(len(table), 3, len(rest) // 3)  # [N, 3, K - 1]
        sh = np.concatenate([sh, coefficients.transpose(0, 2, 1)], axis=1)
    return Columns(
        means=columns_of(table, _MEANS, wide(table, _MEANS)),
        quats=columns_of(table, _QUATS),
        log_scales=log_scales,
        opacity_logits=columns_of(table, ["opacity"])[:, 0],
        sh=sh,
        labels=_labels(table, comments),
    )


def _labels(table: np.ndarray, comments: tuple[str, ...]) -> SplatLabels | None:
    if "label" not in names_of(table):
        return None
    there = names_of(table)
    arrays = {name: torch.from_numpy(_numbers(table[name])) for name in ("label", "instance") if name in there}
    if "score" in there:
        arrays["score"] = torch.from_numpy(table["score"].astype("f4"))
    said = [line.removeprefix(_NAMES) for line in comments if line.startswith(_NAMES)]
    try:
        names = tuple(str(name) for name in json.loads(said[0])) if said else ()
    except ValueError:
        names = ()
    return SplatLabels(names=names, **arrays)


def _numbers(column: np.ndarray) -> np.ndarray:
    """[N] int32 of a column of any type; -1 for what is no such number."""
    good = np.isfinite(column) & (np.abs(column.astype(np.float64)) < 2**31)
    return np.where(good, column, -1).astype(np.int32)


def declared(report: ReadReport, ply: Ply) -> ReadReport:
    """The report, with what a file's comments say of axes and unit, wherever in a line they do, and what lies behind
    its rows."""
    if ply.beyond:
        note = f"{ply.beyond} bytes behind the rows that the header promises are passed over"
        report = replace(report, notes=(*report.notes, note))
    for line in (line for line in ply.comments if not line.startswith(_NAMES)):
        if found := _AXIS.search(line):
            report = replace(report, up=tuple(up_vector(found[1]).tolist()))
        if found := _UNIT.search(line):
            unit = unit_named(found[1])
            if unit is None:
                report = replace(report, notes=(*report.notes, f"unit '{found[1]}' of a comment is not understood"))
            else:
                report = replace(report, unit=UNITS[unit])
    return report


def unit_named(word: str) -> str | None:
    """The unit that a file means, of UNITS: by its sign or spelled out; None where it is none of them."""
    word = word.lower()
    return word if word in UNITS else next((unit for start, unit in _SPELLED.items() if word.startswith(start)), None)


def _rest_names(path: Path, names: tuple[str, ...]) -> list[str]:
    rest = sorted((name for name in names if re.fullmatch(r"f_rest_\d+", name)), key=lambda name: int(name[7:]))
    if len(rest) == 72:
        raise InputError(
            path,
            expected="spherical harmonics of degree 3 at most",
            got="degree 4 (72 f_rest)",
            fix="Drop the last band: splat-transform IN.ply --filter-harmonics 3 OUT.ply.",
        )
    if len(rest) not in (0, 9, 24, 45) or rest != [f"f_rest_{i}" for i in range(len(rest))]:
        raise InputError(path, expected="f_rest_0.. in a number of 0, 9, 24 or 45", got=f"{len(rest)} of them")
    return rest


def _check_columns(path: Path, present: tuple[str, ...], wanted: list[str]) -> None:
    missing = [name for name in wanted if name not in present]
    if missing:
        kind = " (a point cloud?)" if {"x", "y", "z"} <= set(present) and "opacity" not in present else ""
        got = f"none named {', '.join(missing)}{kind}"
        raise InputError(
            path, expected="the properties of a 3DGS .ply", got=got, fix="Export the scene from a 3DGS trainer."
        )


def _check_floats(path: Path, table: np.ndarray, names: list[str]) -> None:
    """Raise InputError for whole numbers where logits, logarithms, harmonics or quaternions should stand: they were
    packed, and nothing says how."""
    packed = [name for name in names if table.dtype[name].kind != "f"]
    if packed:
        raise InputError(
            path,
            expected=f"float or double {packed[0]}",
            got=f"whole numbers ({', '.join(packed)})",
            fix="Export it as a plain 3DGS .ply: these were packed, and the file does not say how.",
        )


def _check_activation(path: Path, table: np.ndarray, scales: list[str]) -> None:
    """Raise InputError where opacities and sizes are as they are drawn: as logits, opacities all between one half and
    three quarters, and as logarithms, no Gaussian smaller than a unit."""
    opacity, sizes = table["opacity"], [table[name] for name in scales]
    spread = len(table) >= _TELLING and np.ptp(opacity) > 0.1
    if spread and opacity.min() >= 0 and opacity.max() <= 1 and min(size.min() for size in sizes) > 0:
        raise InputError(
            path,
            expected="opacities before the sigmoid and sizes as logarithms",
            got="opacities all in 0..1 and sizes all above 0",
            fix="Export a plain 3DGS .ply: opacity as log(o / (1 - o)), scale_* as log(s).",
        )
