"""Captures as COLMAP projects: photos, masks and a text model that COLMAP's own tools and every trainer read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from chorus.capture import Capture
from chorus.frames import Frame
from chorus.store import atomic_folder

_MODEL = "sparse/0"


def write_colmap(folder: Path, capture: Capture, *, upright: bool = False) -> list[str]:
    """Write images/, masks/ (where there are some) and sparse/0/{cameras,images,points3D}.txt; replaces the folder.

    Poses and points are in the frame the capture's own files had, in doubles; upright: z up, in the capture's unit.
    Returns a line for each thing that COLMAP has no place for (depth, labels).
    """
    with atomic_folder(Path(folder)) as place:
        names = [f"{view:04d}.png" for view in range(len(capture))]
        _write_pictures(place / "images", names, capture.images)
        if capture.mask is not None:  # COLMAP seeks the mask of a.png at a.png.png
            _write_pictures(place / "masks", [f"{name}.png" for name in names], capture.mask)
        model = place / _MODEL
        model.mkdir(parents=True)
        frame = Frame() if upright else capture.frame
        numbers, cameras = _cameras(capture)
        (model / "cameras.txt").write_text("# CAMERA_ID MODEL WIDTH HEIGHT FX FY CX CY\n" + cameras)
        images = _images(names, numbers, _poses(capture.cameras.cam_from_world, frame))
        (model / "images.txt").write_text("# IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME\n" + images)
        (model / "points3D.txt").write_text("# POINT3D_ID X Y Z R G B ERROR\n" + _points(capture, frame))
    layers = {"depth": capture.depth, "labels": capture.semantic}
    return [f"{layer}: left behind, COLMAP has no place for it" for layer, have in layers.items() if have is not None]


def _write_pictures(folder: Path, names: list[str], pictures: np.ndarray) -> None:
    folder.mkdir()
    for name, picture in zip(names, pictures, strict=True):
        Image.fromarray(picture).save(folder / name, compress_level=1)


def _cameras(capture: Capture) -> tuple[list[int], str]:
    """The number of each view's camera, and the lines of the cameras: one for each K there is."""
    different, numbers = np.unique(capture.cameras.K.reshape(-1, 9), axis=0, return_inverse=True)
    size = f"{capture.cameras.width} {capture.cameras.height}"
    values = (" ".join(map(repr, (K[0], K[4], K[2], K[5]))) for K in different.tolist())
    return (numbers.ravel() + 1).tolist(), "".join(f"{i} PINHOLE {size} {row}\n" for i, row in enumerate(values, 1))


def _poses(cam_from_ours: np.ndarray, frame: Frame) -> np.ndarray:
    """[V, 4, 4] cam_from_world in the file's axes and unit: x_ours = scale rotation (x_file - offset)."""
    turn, offset = np.asarray(frame.rotation), np.asarray(frame.offset)
    poses = cam_from_ours.copy()
    poses[:, :3, :3] = cam_from_ours[:, :3, :3] @ turn
    poses[:, :3, 3] = cam_from_ours[:, :3, 3] / frame.scale - poses[:, :3, :3] @ offset
    return poses


def _images(names: list[str], numbers: list[int], poses: np.ndarray) -> str:
    from scipy.spatial.transform import Rotation

    lines = []
    for number, (name, camera, pose) in enumerate(zip(names, numbers, poses, strict=True), 1):
        x, y, z, w = Rotation.from_matrix(pose[:3, :3]).as_quat().tolist()
        values = " ".join(map(repr, (w, x, y, z, *pose[:3, 3].tolist())))
        lines.append(f"{number} {values} {camera} {name}\n\n")  # the second line would hold its observations
    return "".join(lines)


def _points(capture: Capture, frame: Frame) -> str:
    if capture.points is None:
        return ""
    places = frame.to_file(capture.points).tolist()
    colors = np.full((len(places), 3), 128, np.uint8) if capture.point_colors is None else capture.point_colors
    rows = zip(places, colors.tolist(), strict=True)
    return "".join(f"{i} {x!r} {y!r} {z!r} {r} {g} {b} 0\n" for i, ((x, y, z), (r, g, b)) in enumerate(rows, 1))
