"""Poses as files give them: 3x4, 4x4 or flat matrices, quaternions; the bad ones are counted, never passed on."""

from __future__ import annotations

from collections import Counter

import numpy as np

from chorus.errors import InputError

LEFT_HANDED = "a left-handed pose (determinant -1)"
NOT_FINITE, NOT_RIGID, NOT_A_MATRIX = "a pose that is not finite", "a pose with scale or shear", "no matrix as pose"
UNREADABLE = "photos unreadable"
_RIGHT = (
    "The tool that wrote them uses left-handed axes: negate one axis of its world (for instance the "
    "third row of each matrix), or export right-handed poses."
)
_FIXES = {
    UNREADABLE: "Convert them to JPEG or PNG (HEIC, raw photos and EXR are not read), or copy them again.",
    LEFT_HANDED: _RIGHT,
    NOT_FINITE: "Export the poses again: tracking was lost in most frames.",
    NOT_RIGID: "Export rigid camera-to-world matrices, row by row (rotation and position, no scale).",
    NOT_A_MATRIX: "Export camera-to-world matrices of 3x4 or 4x4 numbers.",
}


def read_pose(values: object) -> tuple[np.ndarray | None, str]:
    """(pose [4, 4] float64, "") of a 3x4 or 4x4 matrix, nested or flat; (None, why) where it is none."""
    try:
        matrix = np.array(values, np.float64)
    except (OverflowError, TypeError, ValueError):
        return None, NOT_A_MATRIX
    if matrix.size == 12:
        matrix = np.vstack([matrix.reshape(3, 4), [0, 0, 0, 1.0]])
    if matrix.size != 16:
        return None, NOT_A_MATRIX
    matrix = matrix.reshape(4, 4)
    if not np.isfinite(matrix).all():
        return None, NOT_FINITE
    rotation = matrix[:3, :3]
    if not np.allclose(rotation @ rotation.T, np.eye(3), atol=2e-2) or not np.allclose(matrix[3], [0, 0, 0, 1]):
        return None, NOT_RIGID
    if np.linalg.det(rotation) < 0:
        return None, LEFT_HANDED
    left, _, right = np.linalg.svd(rotation)  # the nearest rotation: files carry few digits
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = left @ right, matrix[:3, 3]
    return pose, ""


def quaternion_pose(position: np.ndarray, wxyz: np.ndarray) -> tuple[np.ndarray | None, str]:
    """(pose [4, 4], "") of a position [3] and a quaternion [4] of any length; (None, why) where they are none."""
    norm = float(np.linalg.norm(wxyz))
    if not np.isfinite(position).all() or not np.isfinite(norm) or norm < 1e-9:
        return None, NOT_FINITE
    w, x, y, z = wxyz / norm
    pose = np.eye(4)
    pose[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    pose[:3, 3] = position
    return pose, ""


def check_enough(where: object, kept: int, lost: Counter[str], *, least: int, fix: str) -> None:
    """Raise InputError when fewer than ``least`` views or fewer than half of them can be used; the advice is that of
    the commonest reason."""
    count = sum(lost.values())
    if kept >= least and kept >= count:
        return
    reasons = ", ".join(f"{number} with {reason}" for reason, number in lost.most_common())
    advice = _FIXES.get(lost.most_common(1)[0][0], fix) if lost else fix
    got = f"{kept} of {kept + count}" + (f" ({reasons})" if reasons else "")
    raise InputError(where, expected=f"at least {least} usable views, and half of those named", got=got, fix=advice)
