"""Small tables of what an artifact holds: shown as metadata and validated by the checks. One row a view, class, scene,
teacher or step."""

import functools
from pathlib import Path

import numpy as np

from chorus.capture import Capture
from chorus.capture_checks import capture_row, view_rows
from chorus.json_files import read_json
from chorus.store import Artifact


def _capture(artifact: Artifact) -> Capture:
    return _loaded(artifact.path, artifact.hash)


@functools.lru_cache(maxsize=1)
def _loaded(path: Path, _: str) -> Capture:
    """Once for the asset and its checks."""
    return Capture.load(path)


def views(artifact: Artifact) -> list[dict]:
    """A row a view (``chorus.capture_checks``)."""
    return view_rows(_capture(artifact))


def capture(artifact: Artifact) -> list[dict]:
    """One row: how many views, their scale, and what the photos say of their poses (``chorus.capture_checks``)."""
    return [capture_row(_capture(artifact))]


def frame(artifact: Artifact) -> str:
    """Which way a capture is up, its unit, and how both are known."""
    return _capture(artifact).frame.says()


def classes(artifact: Artifact) -> list[dict]:
    """A row a class that occurs: its share of the pixels and in how many views; unlabelled first. Empty without
    labels."""
    capture = _capture(artifact)
    if capture.semantic is None:
        return []
    counts = np.stack(
        [np.bincount(view.ravel(), minlength=len(capture.class_names)) for view in capture.semantic]
    )  # [V, classes]
    share = counts.sum(axis=0) / counts.sum()
    return [
        {"class": capture.class_names[i], "share": float(share[i]), "views": int((counts[:, i] > 0).sum())}
        for i in np.flatnonzero(share)
    ]


def fit(artifact: Artifact) -> list[dict]:
    """One row: what was measured on the fitted scene."""
    return [
        {
            name: value
            for name, value in read_json(artifact.path / "metrics.json").items()
            if isinstance(value, (int, float))
        }
    ]


def features(artifact: Artifact) -> list[dict]:
    """A row a teacher: its patch grid (1x1xR for R masks), channels, the share of finite numbers and how much they
    differ between patches."""
    return _features(artifact.path, artifact.hash)


@functools.lru_cache(maxsize=1)
def _features(path: Path, _: str) -> list[dict]:
    import torch

    from chorus.teachers.views import load_teacher_views

    teacher_views, rows = load_teacher_views(path), []
    for role in teacher_views.roles:
        maps = teacher_views.maps(role)
        shape = {"patches": "x".join(map(str, maps.shape[:3])), "channels": maps.shape[3]}
        maps = maps.flatten(0, 2).float()
        finite = torch.isfinite(maps)
        spread = torch.where(finite, maps, 0.0).std(dim=0).mean()
        rows.append({"teacher": role, **shape, "finite": float(finite.float().mean()), "spread": float(spread)})
    return rows


def targets(artifact: Artifact, teacher_views: Artifact) -> list[dict]:
    """A row a teacher: Gaussians and the share of them with a valid target; bytes stored beside the naive count."""
    from chorus.teachers.lift import storage
    from chorus.teachers.rows import RowFile

    rows, stored = RowFile.open(artifact.path), storage(artifact.path)
    return [
        {
            "teacher": role,
            "gaussians": len(rows),
            "valid": figures["valid"] / max(1, len(rows)),
            "cosine": figures.get("cosine_mean", 0.0),
            "cosine_p01": figures.get("cosine_p01", 0.0),
            **stored,
        }
        for role, figures in ((role, rows.figures(role)) for role in rows.roles)
    ]
