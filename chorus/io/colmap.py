"""COLMAP models, binary and text: cameras, posed images and points, read with numpy alone.

Rigs and frames (COLMAP 3.12 and later) stand in files of their own; images keep the pose of each camera beside them, so
nothing else is needed here.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chorus.errors import InputError
from chorus.files import read_file

_MODELS = (  # by COLMAP's number: name, number of parameters
    ("SIMPLE_PINHOLE", 3), ("PINHOLE", 4), ("SIMPLE_RADIAL", 4), ("RADIAL", 5), ("OPENCV", 8), ("OPENCV_FISHEYE", 8),
    ("FULL_OPENCV", 12), ("FOV", 5), ("SIMPLE_RADIAL_FISHEYE", 4), ("RADIAL_FISHEYE", 5), ("THIN_PRISM_FISHEYE", 12),
    ("RAD_TAN_THIN_PRISM_FISHEYE", 16), ("SIMPLE_DIVISION", 4), ("DIVISION", 5), ("SIMPLE_FISHEYE", 3), ("FISHEYE", 4),
    ("EUCM", 6), ("EQUIRECTANGULAR", 2),
)  # fmt: skip


@dataclass(frozen=True)
class ColmapCamera:
    model: str
    size: tuple[int, int]  # width, height
    params: tuple[float, ...]


@dataclass(frozen=True)
class ColmapImage:
    """wxyz, translation: cam_from_world, OpenCV axes."""

    name: str
    camera: int
    wxyz: tuple[float, ...]
    translation: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class ColmapModel:
    cameras: dict[int, ColmapCamera]
    images: list[ColmapImage]  # by name
    points: np.ndarray  # [P, 3] float64
    colors: np.ndarray  # [P, 3] uint8


def is_colmap(folder: Path) -> bool:
    """Whether a folder holds a model."""
    return any(all((folder / f"{part}{kind}").is_file() for part in ("cameras", "images")) for kind in (".bin", ".txt"))


def read_colmap(folder: Path) -> ColmapModel:
    """The model in a folder: .bin, else .txt; points3D may be absent. Raises InputError naming a damaged file."""
    folder = Path(folder)
    binary = all((folder / f"{part}.bin").is_file() for part in ("cameras", "images"))
    readers = (_cameras_bin, _images_bin, _points_bin) if binary else (_cameras_txt, _images_txt, _points_txt)
    kind, found = ".bin" if binary else ".txt", []
    for part, read in zip(("cameras", "images", "points3D"), readers, strict=True):
        path = folder / f"{part}{kind}"
        if part == "points3D" and not path.is_file():
            found.append((np.zeros((0, 3)), np.zeros((0, 3), np.uint8)))
            continue
        try:
            found.append(read(read_file(path), path))
        except (OSError, OverflowError, struct.error, ValueError, IndexError) as error:
            raise InputError(path, expected=f"COLMAP's {part}", got=error, fix="Export the model again.") from error
    cameras, images, (points, colors) = found
    lost = next((image for image in images if image.camera not in cameras), None)
    if lost is not None:
        raise InputError(folder, expected=f"camera {lost.camera} of {lost.name}", got=f"cameras {sorted(cameras)}")
    return ColmapModel(cameras=cameras, images=sorted(images, key=lambda i: i.name), points=points, colors=colors)


def _cameras_bin(data: bytes, path: Path) -> dict[int, ColmapCamera]:
    (count,), at, cameras = struct.unpack_from("<Q", data), 8, {}
    for _ in range(count):
        number, model, width, height = struct.unpack_from("<iiQQ", data, at)
        if not 0 <= model < len(_MODELS):
            raise InputError(path, expected=f"a camera model numbered below {len(_MODELS)}", got=model)
        name, size = _MODELS[model]
        cameras[number] = ColmapCamera(name, (width, height), struct.unpack_from(f"<{size}d", data, at + 24))
        at += 24 + 8 * size
    return cameras


def _images_bin(data: bytes, path: Path) -> list[ColmapImage]:
    (count,), at, images = struct.unpack_from("<Q", data), 8, []
    for _ in range(count):
        values = struct.unpack_from("<i7di", data, at)
        at += 64
        end = data.index(b"\0", at)
        name = data[at:end].decode(errors="surrogateescape")
        (points,) = struct.unpack_from("<Q", data, end + 1)
        at = end + 9 + 24 * points
        images.append(ColmapImage(name, values[8], values[1:5], values[5:8]))
    return images


def _points_bin(data: bytes, path: Path) -> tuple[np.ndarray, np.ndarray]:
    (count,), at = struct.unpack_from("<Q", data), 8
    if count > len(data) // 51:
        raise ValueError(f"{count} points in {len(data)} bytes")
    points, colors = np.zeros((count, 3)), np.zeros((count, 3), np.uint8)
    for row in range(count):
        values = struct.unpack_from("<Q3d3BdQ", data, at)
        points[row], colors[row] = values[1:4], values[4:7]
        at += 51 + 8 * values[8]
    return points, colors


def _lines(data: bytes) -> list[str]:
    return [line for line in data.decode("utf-8-sig").splitlines() if not line.startswith("#")]


def _cameras_txt(data: bytes, path: Path) -> dict[int, ColmapCamera]:
    cameras = {}
    for words in (line.split() for line in _lines(data) if line.strip()):
        size = (int(words[2]), int(words[3]))
        cameras[int(words[0])] = ColmapCamera(words[1].upper(), size, tuple(map(float, words[4:])))
    return cameras


def _images_txt(data: bytes, path: Path) -> list[ColmapImage]:
    """Two lines an image, the second (its observations) empty perhaps; names may hold spaces."""
    images = []
    for line in _rows_of_images(_lines(data)):
        words = line.split(maxsplit=9)
        values = tuple(map(float, words[1:8]))
        images.append(ColmapImage(words[9].strip(), int(words[8]), values[:4], values[4:]))
    return images


def _rows_of_images(lines: list[str]) -> list[str]:
    while lines and not lines[0].strip():
        lines = lines[1:]
    return [line for line in lines[::2] if line.strip()]


def _points_txt(data: bytes, path: Path) -> tuple[np.ndarray, np.ndarray]:
    rows = [line.split(maxsplit=7)[1:7] for line in _lines(data) if line.strip()]
    values = np.array(rows, dtype=np.float64).reshape(-1, 6)
    return values[:, :3], values[:, 3:].clip(0, 255).astype(np.uint8)
