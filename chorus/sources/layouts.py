"""How RGB-D data sets lay out their folders: which files belong to a frame, in which unit, with which camera.

`frame-*.color.*, .depth.*, .pose.txt` (7-Scenes, 3DMatch); `color/ depth/ pose/` with `intrinsic/` or
`intrinsics_*.txt` (ScanNet's exporter, scannet_frames_25k); `rgb.txt depth.txt groundtruth.txt` (TUM); `results/
traj.txt` (Replica as NICE-SLAM renders it) and `rgb/ depth/ traj_w_c.txt` (Replica as Semantic-NeRF does).
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chorus.errors import InputError
from chorus.files import find_file, read_file
from chorus.json_files import read_json
from chorus.sources.depth import MILLIMETERS
from chorus.sources.poses import NOT_A_MATRIX, quaternion_pose, read_pose

_COLOR = (".jpg", ".jpeg", ".png")
_DEPTH = (".png", ".tiff", ".tif", ".npy", ".exr")  # the last is refused by name
_APART = 0.02  # seconds between colour, depth and pose of one TUM frame, at most
_TUM = {  # fx fy cx cy of the three Kinects (Sturm et al. 2012), pixel centres at whole numbers
    "freiburg1": (517.3, 516.5, 318.6, 255.3),
    "freiburg2": (520.9, 521.0, 325.1, 249.7),
    "freiburg3": (535.4, 539.2, 320.1, 247.6),
}
_TUM_OTHER = (525.0, 525.0, 319.5, 239.5)
_ASSOCIATIONS = ("associations.txt", "association.txt", "associate.txt", "assoc.txt")
_NO_POSE = "no readable pose"


@dataclass(frozen=True, kw_only=True)
class RgbdFrame:
    """One frame: its files, and its camera-to-world pose [4, 4] (OpenCV axes) or why it has none."""

    color: Path
    depth: Path
    pose: np.ndarray | None
    why: str = ""
    semantic: Path | None = None
    instance: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The frames of a folder, in order, and what its kind of folder is known for."""

    frames: list[RgbdFrame]
    name: str
    K: np.ndarray | None = None  # [3, 3] of the colour images, where no file of intrinsics lies there
    depth_unit: float = MILLIMETERS  # metres of one count


def find_layout(folder: Path) -> Layout | None:
    """The layout of a folder; None where it is none of these."""
    folder = Path(folder)
    for read in (_flat, _folders, _tum, _replica, _semantic_replica):
        layout = read(folder)
        if layout is not None:
            return layout
    return None


def read_intrinsics(folder: Path, names: tuple[str, ...]) -> np.ndarray | None:
    """K [3, 3] from the first of these files that is there. Raises InputError where it holds none."""
    for name in names:
        path = folder / name
        if not path.exists():
            continue
        try:
            matrix = _matrix(path)[:3, :3]
        except (OSError, ValueError, IndexError) as error:
            raise InputError(path, expected="a 3x3 or 4x4 matrix of numbers", got=error) from error
        finite = matrix.shape == (3, 3) and np.isfinite(matrix).all() and min(matrix[0, 0], matrix[1, 1]) > 0
        if not finite or not np.allclose([*matrix[2], matrix[1, 0]], [0, 0, 1, 0]):
            raise InputError(path, expected="finite intrinsics with positive focal lengths", got=matrix.tolist())
        return matrix
    return None


def pinhole(fx: float, fy: float, cx: float, cy: float) -> np.ndarray:
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])


def _flat(folder: Path) -> Layout | None:
    colors = sorted(path for path in folder.rglob("*.color.*") if path.suffix.lower() in _COLOR)
    if not colors:
        return None
    frames = []
    for color in colors:
        stem = color.name.split(".")[0]
        pose, why = _pose_file(color.with_name(f"{stem}.pose.txt"))
        frames.append(RgbdFrame(color=color, depth=_sibling(color.parent, f"{stem}.depth"), pose=pose, why=why))
    seven_scenes = any(path.parent.name.startswith("seq-") for path in colors)
    # 7-Scenes brings no file of intrinsics: its authors give one pinhole for all
    return Layout(frames=frames, name="7-Scenes", K=pinhole(585, 585, 320, 240) if seven_scenes else None)


def _folders(folder: Path) -> Layout | None:
    if not (folder / "color").is_dir() or not (folder / "depth").is_dir():
        return None
    colors = _numbered(folder / "color", _COLOR)
    frames = []
    for color in colors:
        pose, why = _pose_file(folder / "pose" / f"{color.stem}.txt")
        label, instance = (
            _first(folder / name / f"{color.stem}.png" for name in names)
            for names in (("label-filt", "label"), ("instance-filt", "instance"))
        )
        depth = _sibling(folder / "depth", color.stem)
        frames.append(RgbdFrame(color=color, depth=depth, pose=pose, why=why, semantic=label, instance=instance))
    return Layout(frames=frames, name="ScanNet") if frames else None


def _tum(folder: Path) -> Layout | None:
    truth = next((folder / n for n in ("groundtruth.txt", "trajectory.txt") if (folder / n).is_file()), None)
    pairs = _first(folder / name for name in _ASSOCIATIONS)
    if truth is None or (pairs is None and not (folder / "rgb.txt").is_file()):
        return None
    poses = _table(truth, 8)
    times = _times(truth, poses)
    frames = []
    for time, color, depth in _associated(folder, pairs):
        nearest = int(np.abs(times - time).argmin()) if len(times) else 0
        pose, why = None, _NO_POSE
        if len(times) and abs(times[nearest] - time) <= _APART:
            values = _floats(poses[nearest, 1:])
            pose, why = quaternion_pose(values[:3], values[[6, 3, 4, 5]])
        frames.append(RgbdFrame(color=_named(folder, color), depth=_named(folder, depth), pose=pose, why=why))
    known = next((values for name, values in _TUM.items() if name in str(folder.resolve()).lower()), _TUM_OTHER)
    fx, fy, cx, cy = known
    K = pinhole(fx, fy, cx + 0.5, cy + 0.5)
    return Layout(frames=frames, name="TUM RGB-D", K=K, depth_unit=1 / 5000) if frames else None


def _associated(folder: Path, pairs: Path | None) -> list[tuple[float, str, str]]:
    """(time, colour, depth) of each frame: as the file of associations says, else the nearest in time."""
    if pairs is not None:
        rows = _table(pairs, 4)
        return [(time, str(row[1]), str(row[3])) for time, row in zip(_times(pairs, rows), rows, strict=True)]
    colors, depths = _table(folder / "rgb.txt", 2), _table(folder / "depth.txt", 2)
    times = _times(folder / "depth.txt", depths)
    found = []
    for time, name in zip(_times(folder / "rgb.txt", colors), map(str, colors[:, 1]), strict=True):
        nearest = int(np.abs(times - time).argmin()) if len(times) else -1
        if nearest >= 0 and abs(times[nearest] - time) <= _APART:
            found.append((time, name, str(depths[nearest, 1])))
    return found


def _times(path: Path, rows: np.ndarray) -> np.ndarray:
    """[R] seconds: the first column of a table. Raises InputError for what is no number."""
    try:
        return rows[:, 0].astype(float)
    except ValueError as error:
        raise InputError(path, expected="times as numbers in the first column", got=error) from error


def _named(folder: Path, name: str) -> Path:
    """The file of a folder that a table names; one that does not exist where there is none."""
    return find_file(folder, name, suffixes=("",)) or folder / "absent" / Path(name).name


def _table(path: Path, columns: int) -> np.ndarray:
    """[R, columns] of words; comments (#) are passed over. Raises InputError for a row that is too short."""
    try:
        lines = read_file(path).decode("utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(path, expected="a readable text file", got=error) from error
    rows = [line.replace(",", " ").split() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    short = next((row for row in rows if len(row) < columns), None)
    if short is not None:
        raise InputError(path, expected=f"{columns} values in a row", got=" ".join(short))
    return np.array([row[:columns] for row in rows], dtype=str).reshape(-1, columns)


def _replica(folder: Path) -> Layout | None:
    trajectory, results = folder / "traj.txt", folder / "results"
    if not trajectory.is_file() or not results.is_dir():
        return None
    colors = _numbered(results, _COLOR, prefix="frame")
    depths = [_sibling(results, path.stem.replace("frame", "depth")) for path in colors]
    frames = _along(trajectory, colors, depths)
    spec_file = _first((folder / "cam_params.json", folder.parent / "cam_params.json"))
    fx, fy, cx, cy, scale = 600.0, 600.0, 599.5, 339.5, 6553.5
    if spec_file is not None:
        try:
            spec = read_json(spec_file)["camera"]
            fx, fy, cx, cy, scale = (float(spec[name]) for name in ("fx", "fy", "cx", "cy", "scale"))
            if not (min(fx, fy, scale) > 0 and np.isfinite([fx, fy, cx, cy, scale]).all()):
                raise ValueError(spec)
        except (KeyError, OverflowError, TypeError, ValueError) as error:
            raise InputError(spec_file, expected="camera with fx fy cx cy and scale", got=error) from error
    K = pinhole(fx, fy, cx + 0.5, cy + 0.5)
    return Layout(frames=frames, name="Replica", K=K, depth_unit=1 / scale) if frames else None


def _semantic_replica(folder: Path) -> Layout | None:
    trajectory = folder / "traj_w_c.txt"
    if not trajectory.is_file() or not (folder / "rgb").is_dir():
        return None
    colors = _numbered(folder / "rgb", _COLOR)
    numbers = [path.stem.rpartition("_")[2] for path in colors]
    depths = [_sibling(folder / "depth", f"depth_{number}") for number in numbers]
    layers = [
        [_first([folder / layer / f"{layer}_{number}.png"]) for number in numbers]
        for layer in ("semantic_class", "semantic_instance")
    ]
    frames = _along(trajectory, colors, depths, *layers)
    # rendered with a field of view of 90 degrees, 640x480
    return Layout(frames=frames, name="Replica", K=pinhole(320, 320, 320, 240)) if frames else None


def _along(trajectory: Path, colors: list[Path], depths: list[Path], *layers: list) -> list[RgbdFrame]:
    """Frames whose poses are the rows (16 numbers) of one file, in the same order."""
    rows = _table(trajectory, 16)
    if len(rows) < len(colors):
        raise InputError(trajectory, expected=f"a pose for each of the {len(colors)} images", got=f"{len(rows)} poses")
    semantic, instance = layers if layers else ([None] * len(colors), [None] * len(colors))
    frames = []
    for i, (color, depth) in enumerate(zip(colors, depths, strict=True)):
        number = int("".join(c for c in color.stem if c.isdigit()) or i)
        pose, why = read_pose(_floats(rows[number if number < len(rows) else i]))
        frames.append(
            RgbdFrame(color=color, depth=depth, pose=pose, why=why, semantic=semantic[i], instance=instance[i])
        )
    return frames


def _floats(row: np.ndarray) -> np.ndarray:
    """The numbers of a row; NaN where one of them is none."""
    try:
        return row.astype(float)
    except ValueError:
        return np.full(len(row), np.nan)


def _matrix(path: Path) -> np.ndarray:
    return np.loadtxt(io.BytesIO(read_file(path)))


def _pose_file(path: Path) -> tuple[np.ndarray | None, str]:
    try:
        pose, why = read_pose(_matrix(path))
    except (OSError, ValueError):
        return None, _NO_POSE
    return pose, _NO_POSE if why == NOT_A_MATRIX else why


def _numbered(folder: Path, suffixes: tuple[str, ...], prefix: str = "") -> list[Path]:
    """Files in the order of their numbers: 2 before 10."""
    found = [p for p in folder.iterdir() if p.suffix.lower() in suffixes and p.name.startswith(prefix)]
    return sorted(found, key=lambda path: (len(path.stem), path.stem))


def _sibling(folder: Path, stem: str) -> Path:
    """The depth file of a frame, whatever its format; one that does not exist where there is none."""
    return _first(folder / f"{stem}{suffix}" for suffix in _DEPTH) or folder / f"{stem}.png"


def _first(paths) -> Path | None:
    return next((path for path in paths if path.is_file()), None)
