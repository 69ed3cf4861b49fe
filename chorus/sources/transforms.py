"""Photos with poses in a `transforms.json`, in the dialects of nerfstudio, instant-ngp and synthetic NeRF scenes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from chorus.cameras import from_opengl
from chorus.capture import Capture
from chorus.errors import InputError
from chorus.files import find_file
from chorus.frames import Frame
from chorus.incoming import IngestOptions
from chorus.json_files import read_json
from chorus.params import CaptureParams
from chorus.sources.clouds import read_cloud
from chorus.sources.depth import MILLIMETERS
from chorus.sources.images import shown_size
from chorus.sources.lenses import Lens, lens
from chorus.sources.poses import UNREADABLE, check_enough, read_pose
from chorus.sources.shots import MIN_VIEWS, Shot, Shots, make_capture
from chorus.sources.upright import Convention

NAMES = ("transforms.json", "transforms_train.json")
_SUFFIXES = ("", ".png", ".jpg", ".jpeg", ".JPG", ".PNG", ".JPEG")
_ABSENT, _TWICE = "photos absent", "a photo named before"
_PERSPECTIVE = ("", "PERSPECTIVE", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "BROWN")
_FISHEYE = ("OPENCV_FISHEYE", "FISHEYE", "SIMPLE_FISHEYE", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE")
_OTHERS = {  # lenses with two focal lengths by the names files give them, and the keys of their parameters
    "FISHEYE624": ("RAD_TAN_THIN_PRISM_FISHEYE", ()),
    "RAD_TAN_THIN_PRISM_FISHEYE": ("RAD_TAN_THIN_PRISM_FISHEYE", ()),
    "THIN_PRISM_FISHEYE": ("THIN_PRISM_FISHEYE", ("k1", "k2", "p1", "p2", "k3", "k4", "sx1", "sy1")),
    "FOV": ("FOV", ("omega",)),
    "EUCM": ("EUCM", ("alpha", "beta")),
    "SIMPLE_DIVISION": ("DIVISION", ("k",)),
    "DIVISION": ("DIVISION", ("k",)),
}
_FLAGS = {
    "equirectangular": "EQUIRECTANGULAR",
    "latlong": "LATLONG",
    "orthographic": "ORTHOPHOTO",
    "ftheta_p0": "F-THETA",
}


def find_transforms(folder: Path) -> Path | None:
    """The file of poses of a folder of photos."""
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


def read_transforms(folder: Path, params: CaptureParams, options: IngestOptions) -> Capture:
    """A capture from a folder with transforms.json (OpenGL camera-to-world matrices).

    Lenses are undone (``lenses.py``), masks, depth images and the sparse cloud that the file names are read. Frames
    whose photo is absent or unreadable, or whose pose is none, are skipped and counted. Raises InputError when too few
    are left, and for a lens or key that is not understood, by its name.
    """
    path = find_transforms(Path(folder)) or Path(folder) / NAMES[0]
    spec = _read_spec(path)
    shots, lost = _shots(path, spec)
    twice = lost.pop(_TWICE, 0)
    check_enough(path, len(shots), lost, least=MIN_VIEWS, fix="Copy the photos beside the file of poses.")
    cloud, notes = _cloud(path, spec)
    if twice:
        notes.append(f"{twice} frames name a photo once more: the first of each counts")
    metric = any(shot.depth is not None for shot in shots)
    unit = spec.get("depth_unit_scale_factor", spec.get("integer_depth_scale"))
    frame = Frame(up="assumed", unit="m" if metric else "unknown", unit_known="file" if metric else "assumed")
    found = Shots(
        where=path,
        source="photos",
        shots=sorted(shots, key=lambda shot: shot.name),
        cloud=cloud,
        frame=frame,
        convention=Convention(up="z"),
        skipped=lost,
        notes=notes,
        depth_unit=MILLIMETERS if unit is None else float(unit),
    )
    return make_capture(found, params, options)


def _read_spec(path: Path) -> dict:
    spec = read_json(path, expected="a JSON file of camera poses")
    if not isinstance(spec, dict) or not isinstance(spec.get("frames"), list) or not spec["frames"]:
        raise InputError(
            path,
            expected="a list 'frames' with file_path and transform_matrix",
            got="no poses",
            fix="Remove the file to have poses found from the photos (chorus ingest DIR), or export it again.",
        )
    return spec


def _shots(path: Path, spec: dict) -> tuple[list[Shot], Counter]:
    """The frames that can be used, and why the others cannot."""
    shots, lost, named = [], Counter(), set()
    for entry in spec["frames"]:
        name = str(entry.get("file_path", "")) if isinstance(entry, dict) else ""
        if not name:
            raise InputError(path, expected="a file_path in every frame", got="none")
        photo = find_file(path.parent, name, suffixes=_SUFFIXES)
        if photo is None:
            lost[_ABSENT] += 1
            continue
        if photo in named:
            lost[_TWICE] += 1
            continue
        named.add(photo)
        pose, why = read_pose(entry.get("transform_matrix"))
        if pose is None:
            lost[why] += 1
            continue
        try:
            shots.append(_shot(path, photo, {**spec, **entry}, pose))
        except OSError:
            lost[UNREADABLE] += 1
    return shots, lost


def _shot(path: Path, photo: Path, spec: dict, pose: np.ndarray) -> Shot:
    where = f"{path} ({photo.name})"
    mask, depth = (
        _named(where, path.parent, spec, keys) for keys in (("mask_path",), ("depth_file_path", "depth_path"))
    )
    try:
        glass = _lens(spec, lambda: shown_size(photo), where)
    except KeyError as error:
        raise InputError(where, expected="fl_x or camera_angle_x", got=f"no {error}") from error
    except (OverflowError, TypeError, ValueError) as error:
        raise InputError(where, expected="numbers as intrinsics", got=error) from error
    world_from_cam = np.linalg.inv(from_opengl(pose))
    return Shot(path=photo, lens=glass, pose=world_from_cam, mask=mask, depth=depth, name=photo.name)


def _lens(spec: dict, shown: Any, where: str) -> Lens:
    """The lens of a frame, its own keys before those of the file; shown: tells the size of the photo where the file
    does not."""
    declared = next((name for key, name in _FLAGS.items() if spec.get(key)), None)
    model = declared or str(spec.get("camera_model") or "").upper()
    width, height = (int(spec["w"]), int(spec["h"])) if spec.get("w") and spec.get("h") else shown()
    fx = spec.get("fl_x") or _focal(spec, "camera_angle_x", width, where)
    other = _focal(spec, "camera_angle_y", height, where) if "camera_angle_y" in spec and "fl_x" not in spec else fx
    fy = spec.get("fl_y") or other
    head = [float(value) for value in (fx, fy, spec.get("cx", width / 2), spec.get("cy", height / 2))]

    def numbers(*names: str) -> list[float]:
        return [float(spec.get(name) or 0.0) for name in names]

    size = (width, height)
    if model in _FISHEYE or (model in _PERSPECTIVE and spec.get("is_fisheye")):
        return lens("OPENCV_FISHEYE", head + numbers("k1", "k2", "k3", "k4"), size, where=where)
    if model == "FULL_OPENCV" or (model in _PERSPECTIVE and any(numbers("k5", "k6"))):
        names = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
        return lens("FULL_OPENCV", head + numbers(*names), size, where=where)
    if model in _PERSPECTIVE:
        return lens("BROWN", head + numbers("k1", "k2", "p1", "p2", "k3", "k4"), size, where=where)
    known, keys = _OTHERS.get(model, (model, ()))
    listed = spec.get("distortion_params")
    rest = numbers(*keys) if listed is None and any(key in spec for key in keys) else map(float, listed or ())
    return lens(known, [*head, *rest], size, where=where)


def _focal(spec: dict, key: str, side: int, where: str) -> float:
    """Pixels, from the angle that a side spans. Raises KeyError, and InputError for an angle that is none."""
    angle = float(spec[key])
    if not 0 < angle < np.pi:
        fix = "Give it in radians." if 0 < angle < 180 else ""
        raise InputError(where, expected=f"{key} between 0 and pi, in radians", got=angle, fix=fix)
    return 0.5 * side / np.tan(0.5 * angle)


def _named(where: str, folder: Path, spec: dict, keys: tuple[str, ...]) -> Path | None:
    """The file a frame names under one of the keys. Raises InputError where it is absent: what is declared counts."""
    for key in keys:
        if spec.get(key):
            found = find_file(folder, str(spec[key]), suffixes=("",))
            if found is None:
                raise InputError(
                    where, expected=f"the file of its {key}", got=f"no {spec[key]}", fix=f"Copy it, or drop {key}."
                )
            return found
    return None


def _cloud(path: Path, spec: dict):
    """The sparse cloud that the file names, and what to say of it."""
    name = spec.get("ply_file_path")
    if not name:
        return None, []
    found = find_file(path.parent, str(name), suffixes=("",))
    if found is None:
        return None, [f"{name}, which {path.name} names, is not there: points are triangulated from the photos"]
    cloud, note = read_cloud(found)
    return cloud, [note] if note else []
