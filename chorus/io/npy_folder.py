"""Folders of .npy arrays, as SceneSplat-7K ships its scenes: coord color opacity quat scale [segment instance normal],
[pc_coord pc_segment pc_instance] of the point cloud it is scored on, [lang_feat lang_feat_index valid_feat_mask].
ScanNet's are labelled twice, segment20 and segment200. Pointcept's folders of points are the same without Gaussians.

opacity is after the sigmoid, scale is linear, colour is 8-bit (or a float in 0..1), -1 is unlabelled. Coordinates are z
up, metres.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from chorus.errors import InputError
from chorus.io.assemble import Columns, assemble
from chorus.io.features import Features
from chorus.io.npy import read_npy
from chorus.io.packing import logits
from chorus.io.points import PointCloud
from chorus.moving import in_file_frame
from chorus.scene import SH_C0, GaussianScene, SplatLabels

_WIDTHS = {"coord": 3, "color": 3, "opacity": 1, "quat": 4, "scale": 3}
_LABELS = ("segment", "instance")
_CLOUD = ("pc_coord", "pc_segment", "pc_instance")
_POINTS = ("coord", "color", "normal")


def read_npy_folder(folder: Path) -> GaussianScene:
    """A scene from a folder of arrays, with the labels it has. Raises InputError naming the file that is absent or does
    not fit."""
    folder = Path(folder)
    arrays = {name: _rows(folder / f"{name}.npy") for name in _WIDTHS}
    n = len(arrays["coord"])
    for name, width in _WIDTHS.items():
        if arrays[name].dtype.kind not in "fiu" or arrays[name].size != n * width or len(arrays[name]) != n:
            got = f"{arrays[name].dtype} {list(arrays[name].shape)}"
            raise InputError(folder / f"{name}.npy", expected=f"numbers of shape [{n}, {width}]", got=got)
        arrays[name] = arrays[name].reshape(n, width)
    scale, opacity = arrays["scale"], arrays["opacity"][:, 0].astype(np.float64)
    if (scale < 0).any():
        raise InputError(folder / "scale.npy", expected="linear scales of at least 0", got="negative values")
    if (opacity < 0).any() or (opacity > 1).any():
        raise InputError(
            folder / "opacity.npy", expected="opacities in [0, 1] (after the sigmoid)", got="values outside"
        )
    with np.errstate(divide="ignore"):
        log_scales = np.log(scale)
    columns = Columns(
        means=arrays["coord"],
        quats=arrays["quat"],
        log_scales=log_scales,
        opacity_logits=logits(opacity),
        sh=((_unit_colors(folder, arrays["color"]) - 0.5) / SH_C0)[:, None],
        labels=_splat_labels(folder, read_npy_labels(folder)),
    )
    return assemble(folder, columns, up=(0.0, 0.0, 1.0), unit=1.0)


def read_npy_labels(folder: Path, *, classes: int | None = None) -> dict[str, np.ndarray]:
    """The arrays that say what is there: of each Gaussian segment [N], instance [N] and normal [N, 3], of the point
    cloud pc_coord [P, 3], pc_segment [P] and pc_instance [P]; only those the folder has.

    classes: of so many names, where a folder is labelled several times: segment200.npy stands before segment.npy. Of
    labels with several columns (the likeliest first) the first counts. Raises InputError where rows do not agree, or
    the folder has labels of other numbers of classes alone.
    """
    folder = Path(folder)
    files = {name: _label_file(folder, name, classes) for name in (*_LABELS, "normal", *_CLOUD)}
    found = {name: _rows(path) for name, path in files.items() if path is not None}
    rows = {"pc_": len(found["pc_coord"]) if "pc_coord" in found else None}
    if (folder / "coord.npy").exists():
        rows[""] = len(_rows(folder / "coord.npy", mapped=True))
    for name, array in found.items():
        if name.endswith(("segment", "instance")):
            found[name] = array = array.reshape(len(array), -1)[:, 0] if array.size else array.reshape(-1)
        expected = rows.get("pc_" if name.startswith("pc_") else "")
        if expected is not None and len(array) != expected:
            raise InputError(files[name] or folder, expected=f"{expected} rows", got=len(array))
    return found


def _label_file(folder: Path, name: str, classes: int | None) -> Path | None:
    """Where an array lies; of labels those of so many classes."""
    paths = [folder / f"{name}.npy"]
    if name.endswith("segment") and classes is not None:
        paths.insert(0, folder / f"{name}{classes}.npy")
    there = next((path for path in paths if path.exists()), None)
    if there is None and classes is not None and name.endswith("segment"):
        others = sorted(path.name for path in folder.glob(f"{name}[0-9]*.npy"))
        if others:
            expected, got = f"labels of {classes} classes", ", ".join(others)
            raise InputError(folder, expected=expected, got=got, fix="Name the labels those are counted in.")
    return there


def read_npy_points(folder: Path) -> PointCloud:
    """The points [P, 3] of a folder of arrays, with colours [P, 3] and normals [P, 3] where it has them. Raises
    InputError for arrays that do not fit."""
    folder = Path(folder)
    found = {
        name: _rows(folder / f"{name}.npy") for name in _POINTS if name == "coord" or (folder / f"{name}.npy").exists()
    }
    for name, array in found.items():
        if array.dtype.kind not in "fiu" or array.shape != (len(found["coord"]), 3) or not np.isfinite(array).all():
            got = f"{array.dtype} {list(array.shape)}"
            expected = f"finite numbers of shape [{len(found['coord'])}, 3]"
            raise InputError(folder / f"{name}.npy", expected=expected, got=got)
    colors = np.rint(_unit_colors(folder, found["color"]) * 255.0).astype(np.uint8) if "color" in found else None
    normals = found["normal"].astype(np.float32) if "normal" in found else None
    kind = np.float32 if found["coord"].dtype.itemsize <= 4 and found["coord"].dtype.kind == "f" else np.float64
    return PointCloud(points=found["coord"].astype(kind), colors=colors, normals=normals)


def read_npy_features(folder: Path) -> Features:
    """The language features a folder ships for its N Gaussians: lang_feat [M, C], by lang_feat_index [N] (-1: none)
    where there is one, else a row for each Gaussian, or for each one of valid_feat_mask [N]."""
    folder = Path(folder)
    rows, count = (
        torch.from_numpy(_rows(folder / "lang_feat.npy").astype(np.float32)),
        len(_rows(folder / "coord.npy", mapped=True)),
    )
    valid = torch.ones(count, dtype=torch.bool)
    if (folder / "valid_feat_mask.npy").exists():
        valid = torch.from_numpy(_rows(folder / "valid_feat_mask.npy").reshape(-1) != 0)
    if (folder / "lang_feat_index.npy").exists():
        index = torch.from_numpy(_rows(folder / "lang_feat_index.npy").reshape(-1).astype(np.int64))
    elif len(rows) == count:
        index = torch.arange(count)
    else:
        index = torch.where(valid, valid.cumsum(0) - 1, -1)
    last = int(index.max()) if len(index) else -1
    if rows.ndim != 2 or len(index) != count or len(valid) != count or last >= len(rows):
        got = f"features {list(rows.shape)}, index {len(index)} up to {last}, mask {len(valid)}"
        raise InputError(folder / "lang_feat.npy", expected=f"features of {count} Gaussians", got=got)
    valid = valid & (index >= 0)
    features = rows[index.clamp_min(0)]
    valid &= features.isfinite().all(dim=1)
    features[~valid] = 0.0
    return Features(features=features, valid=valid, info={"scene": folder.name})


def write_npy_folder(folder: Path, scene: GaussianScene, labels: dict[str, np.ndarray] | None = None) -> None:
    """Write a scene's base colours, and labels such as segment and instance [N] (the scene's own when None), as a
    folder of arrays in its file's frame."""
    scene = in_file_frame(scene.validate(folder).detached().to("cpu"))
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {"coord": scene.means, "opacity": scene.opacities, "quat": scene.unit_quats, "scale": scene.scales}
    arrays = {name: tensor.float().numpy() for name, tensor in arrays.items()}
    if any(scene.frame.offset):
        arrays["coord"] = scene.means.double().numpy() + np.asarray(scene.frame.offset)
    arrays["color"] = (scene.rgb * 255.0).round().to(torch.uint8).numpy()
    if labels is None and scene.labels is not None:
        own = {"segment": scene.labels.label, "instance": scene.labels.instance}
        labels = {name: tensor.numpy() for name, tensor in own.items() if tensor is not None}
    for name, array in {**arrays, **(labels or {})}.items():
        if len(array) != len(scene):
            raise InputError(folder / f"{name}.npy", expected=f"{len(scene)} rows", got=len(array))
        np.save(folder / f"{name}.npy", array)


def _splat_labels(folder: Path, found: dict[str, np.ndarray]) -> SplatLabels | None:
    label, instance = (_whole(folder, name, found[name]) if name in found else None for name in _LABELS)
    return None if label is None else SplatLabels(label=label, instance=instance)


def _whole(folder: Path, name: str, labels: np.ndarray) -> torch.Tensor:
    """[N] int32 of labels that may be kept as floats."""
    if not np.array_equal(labels, np.rint(labels)) or (np.abs(labels.astype(np.float64)) >= 2**31).any():
        got = f"{labels.dtype} with other values"
        raise InputError(folder / f"{name}.npy", expected="labels that are whole numbers below 2^31", got=got)
    return torch.from_numpy(labels.astype(np.int32))


def _unit_colors(folder: Path, colors: np.ndarray) -> np.ndarray:
    """Colours in 0..1 of floats to 1 or 255, or of whole numbers to 255 or 65535. Raises InputError for others, as the
    -1..1 that networks are fed."""
    least, most = (float(reduce(colors, initial=0.0, where=np.isfinite(colors))) for reduce in (np.min, np.max))
    tops = (1.0, 255.0) if colors.dtype.kind == "f" else (255.0, 65535.0)
    top = next((top for top in tops if most <= top), None)
    if least < 0 or top is None:
        expected, got = f"colors in 0..{tops[0]:.0f} or 0..{tops[1]:.0f}", f"{least:.3g} to {most:.3g}"
        raise InputError(folder / "color.npy", expected=expected, got=got)
    return colors.astype(np.float64) / top


def _rows(path: Path, *, mapped: bool = False) -> np.ndarray:
    """An array that has rows."""
    if not path.exists():
        raise InputError(path, expected="a .npy array", got="no such file")
    array = read_npy(path, mapped=mapped)
    if not array.ndim:
        raise InputError(path, expected="an array of rows", got="one number")
    return array
