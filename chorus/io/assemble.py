"""The one validity of splats: what every reader hands its columns to. What cannot be a Gaussian is left out and
counted; what can be understood is; a file of nothing else is refused."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import torch

from chorus.axes import DOUBLES, ROUGH, TOO_ROUGH, coarseness, offset_of
from chorus.errors import InputError
from chorus.frames import Frame
from chorus.scene import GaussianScene, ReadReport, SplatLabels

SURE = 20.0  # logit of an opacity of 1 (in float32), and its negative of 0
FLAT = float(np.log(1e-9))  # the least log-scale: a Gaussian without thickness
STRAY_SHARE = 0.05  # of a file: more Gaussians than that are no strays, however far away
STRAY_REACH = 50.0  # times the radius that holds nine tenths of the Gaussians
HUGE = (10.0, 1000.0)  # times the scene's extent, and times the median size: both, and a Gaussian is left out

_log = logging.getLogger("chorus.io")


@dataclass(frozen=True, kw_only=True)
class Columns:
    """N Gaussians as a file has them, in double where it has doubles."""

    means: np.ndarray  # [N, 3]
    quats: np.ndarray  # [N, 4] wxyz, any length
    log_scales: np.ndarray  # [N, 3]
    opacity_logits: np.ndarray  # [N]
    sh: np.ndarray  # [N, K, 3]
    labels: SplatLabels | None = None


def assemble(where: object, columns: Columns, **declared) -> GaussianScene:
    """A scene of the Gaussians that are valid; the rest is counted in its report and in the log, one line a cause.

    Left out: NaN anywhere, infinite positions or colours, quaternions of length zero (rows of zeros among them), sizes
    that overflow or dwarf the scene, a few strays far outside. Understood: infinite opacity logits are 1 and 0, a scale
    of zero is flat. Positions far from the origin are centred in double, and the frame keeps the offset. declared: up
    and unit, as ReadReport has them. Raises InputError when nothing is left.
    """
    total = len(columns.means)
    if total == 0:
        raise InputError(where, expected="at least one Gaussian", got="none")
    kept, notes = np.ones(total, bool), []
    for bad, cause in _faults(columns):
        _leave_out(kept, bad, cause, notes)
    if kept.any():
        for find, cause in ((_strays, "far outside the scene"), (_giants, "larger than the scene")):
            _leave_out(kept, find(columns, kept), cause, notes)
    if not kept.any():
        raise InputError(
            where,
            expected="at least one valid Gaussian",
            got=f"{total}, of which {'; '.join(notes)}",
            fix="Export it anew.",
        )
    step = coarseness(columns.means[kept])
    if step > TOO_ROUGH:
        got = f"single floats so far from the origin that their steps are {step:.0%} of the scene"
        raise InputError(where, expected="positions", got=got, fix=DOUBLES)
    if step > ROUGH:
        notes.append(f"positions are rounded to {step:.1%} of the scene: single floats far from the origin")
    for note in notes:
        _log.info("%s: %s", where, note)
    offset = tuple(offset_of(columns.means[kept]).tolist())
    frame = Frame(up="assumed", unit="unknown", unit_known="assumed", offset=offset)
    rows = None if kept.all() else torch.from_numpy(np.flatnonzero(kept))
    report = ReadReport(total=total, rows=rows, notes=tuple(notes), **declared)
    return _scene(columns, kept, frame, report).validate(where)


def _leave_out(kept: np.ndarray, bad: np.ndarray, cause: str, notes: list[str]) -> None:
    bad = bad & kept
    if bad.any():
        notes.append(f"{int(bad.sum())} of {len(kept)} Gaussians left out: {cause}")
        kept &= ~bad


def _faults(c: Columns):
    """(mask [N], cause) of what no Gaussian can have."""
    arrays = (c.means, c.sh.reshape(len(c.sh), -1), c.quats)
    finite = np.logical_and.reduce([np.isfinite(array).all(axis=1) for array in arrays])
    numbers = finite & ~np.isnan(c.log_scales).any(axis=1) & ~np.isnan(c.opacity_logits)
    yield ~numbers, "NaN or infinite values"
    yield np.linalg.norm(np.where(finite[:, None], c.quats, 1.0), axis=1) < 1e-8, "no rotation (a quaternion of zeros)"
    yield c.log_scales.max(axis=1) > 80.0, "a size no number holds"


def _strays(c: Columns, kept: np.ndarray) -> np.ndarray:
    """[N] the few Gaussians beyond all others."""
    means = c.means[kept]
    apart = np.abs(c.means - np.median(means, axis=0)).max(axis=1)
    reach = STRAY_REACH * np.percentile(apart[kept], 90)
    far = kept & (apart > reach) if reach > 0 else np.zeros(len(kept), bool)
    return far if far.sum() <= STRAY_SHARE * kept.sum() else np.zeros(len(kept), bool)


def _giants(c: Columns, kept: np.ndarray) -> np.ndarray:
    low, high = np.percentile(c.means[kept], [1, 99], axis=0)
    size = c.log_scales.max(axis=1)
    with np.errstate(divide="ignore"):
        extent = np.log(np.linalg.norm(high - low) * HUGE[0])
    return size > max(extent, np.median(size[kept]) + np.log(HUGE[1]))


def _scene(c: Columns, kept: np.ndarray, frame: Frame, report: ReadReport) -> GaussianScene:
    def tensor(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, np.float32))

    index = slice(None) if report.rows is None else kept
    mask = torch.from_numpy(kept)
    return GaussianScene(
        means=tensor(c.means[index] - np.asarray(frame.offset) if any(frame.offset) else c.means[index]),
        quats=tensor(c.quats[index]),
        log_scales=tensor(np.maximum(c.log_scales[index], FLAT)),
        opacity_logits=tensor(np.clip(c.opacity_logits[index], -SURE, SURE)),
        sh=tensor(c.sh[index]),
        frame=frame,
        report=report,
        labels=c.labels if c.labels is None or report.rows is None else c.labels.map(lambda array: array[mask]),
    )
