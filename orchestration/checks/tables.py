"""Small tables of what an artifact holds: shown as metadata and validated by the checks. One row a view, class, scene,
teacher or step."""

import functools

import numpy as np

from chorus.capture import Capture
from chorus.json_file import read_json
from chorus.store import Artifact

STRIDE = 8  # pixels; overlap is counted on every 8th
REACH = 3  # views apart that still count as neighbours


@functools.lru_cache(maxsize=1)
def _capture(artifact: Artifact) -> Capture:
    return Capture.load(artifact.path)


def views(artifact: Artifact) -> list[dict]:
    """A row a view: brightness (0..255), share of pixels with depth, with a label, and seen again in a neighbouring
    view."""
    capture = _capture(artifact)
    rows = []
    for i, image in enumerate(capture.images):
        row: dict[str, object] = {"view": i, "brightness": float(image.mean()), "contrast": float(image.std())}
        if capture.depth is not None:
            row["depth_share"] = float((capture.depth[i] > 0).mean())
            row["overlap"] = _overlap(capture, i)
        if capture.semantic is not None:
            row["labeled"] = float((capture.semantic[i] > 0).mean())
        rows.append(row)
    return rows


def _overlap(capture: Capture, i: int) -> float:
    """The largest share of view i's pixels with depth that a view up to REACH apart shows too; 1.0 for a lone view."""
    depth = capture.depth[i, ::STRIDE, ::STRIDE]
    row, col = np.nonzero(depth > 0)
    if len(row) == 0:
        return 0.0
    z, K = depth[row, col].astype(np.float64), capture.cameras.K[i]
    rays = np.stack(
        [(col * STRIDE + 0.5 - K[0, 2]) / K[0, 0], (row * STRIDE + 0.5 - K[1, 2]) / K[1, 1], np.ones(len(z))], axis=1
    )
    world = (rays * z[:, None]) @ capture.cameras.cam_from_world[i, :3, :3]  # rotation only: R^T x
    pose = capture.cameras.world_from_cam[i]
    world = world + pose[:3, 3]
    near = [j for j in range(max(0, i - REACH), min(len(capture), i + REACH + 1)) if j != i]
    return max((_shown(capture, j, world) for j in near), default=1.0)


def _shown(capture: Capture, view: int, world: np.ndarray) -> float:
    """The share of world points [N, 3] inside a view and not hidden there (depth within 5 % and 5 cm)."""
    pose, K = capture.cameras.cam_from_world[view], capture.cameras.K[view]
    camera = world @ pose[:3, :3].T + pose[:3, 3]
    z = np.maximum(camera[:, 2], 1e-6)
    col, row = (np.floor(K[a, a] * camera[:, a] / z + K[a, 2]).astype(np.int64) for a in (0, 1))
    height, width = capture.depth.shape[1:]
    inside = (camera[:, 2] > 0.05) & (col >= 0) & (col < width) & (row >= 0) & (row < height)
    seen = capture.depth[view, np.where(inside, row, 0), np.where(inside, col, 0)]
    return float((inside & (np.abs(seen - camera[:, 2]) < 0.05 + 0.05 * camera[:, 2])).mean())


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
    import torch

    from chorus.teachers.views import load_teacher_views

    teacher_views = load_teacher_views(artifact.path)
    rows = []
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
    from chorus.teachers.lift import load_targets, storage

    lifted = load_targets(artifact.path, teacher_views.path)
    stored = storage(artifact.path, teacher_views.path)
    masks = {role: lifted.valid(role) for role in lifted.roles}
    return [
        {"teacher": role, "gaussians": len(mask), "valid": float(mask.float().mean()), **stored}
        for role, mask in masks.items()
    ]
