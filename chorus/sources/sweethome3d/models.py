"""Models ready to place: parsed, thinned to a triangle cap, unit-sized and cached on disk."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chorus.errors import InputError, StoreError
from chorus.io.archive import open_zip, read_entry
from chorus.sources.sweethome3d.mesh import Material, face_normals
from chorus.sources.sweethome3d.obj import read_obj
from chorus.whole import atomic_file

MAX_TRIANGLES = 16000
_VERSION = 6  # of the cache


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model in the unit cube [-0.5, 0.5]^3: x across, y depth (back to front: +0.5 to -0.5), z up."""

    corners: np.ndarray  # [T, 3, 3] float32
    normals: np.ndarray  # [T, 3, 3] float32, in the model's true proportions
    proportions: np.ndarray  # [3] true size of the unit cube's sides in the model's own units
    uv: np.ndarray  # [T, 3, 2] float32
    material: np.ndarray  # [T] int32
    materials: tuple[Material, ...]
    pane: np.ndarray  # [T] bool: glass


class ModelStore:
    """Loads models from the jar and the libraries; each is parsed once per machine."""

    def __init__(self, cache: Path):
        self.cache = Path(cache)
        self._archives: dict[Path, zipfile.ZipFile] = {}
        self._palettes: dict[Path, dict] = {}
        self._models: dict[tuple, Model | None] = {}

    def load(self, archive: Path, path: str, rotation: np.ndarray) -> Model | None:
        """The model at ``path`` of a zip, its axes turned by ``rotation`` [3,3]; None when the archive has no such
        model.

        Raises InputError for a damaged archive or model.
        """
        key = (str(archive), path, rotation.tobytes())
        if key not in self._models:
            self._models[key] = self._load(Path(archive), path, rotation)
        return self._models[key]

    def _load(self, archive: Path, path: str, rotation: np.ndarray) -> Model | None:
        identity = f"{_VERSION} {MAX_TRIANGLES} {archive.name} {archive.stat().st_size} {path} {rotation.tolist()}"
        cached = self.cache / f"{hashlib.sha256(identity.encode()).hexdigest()[:24]}.npz"
        if cached.exists():
            with contextlib.suppress(OSError, ValueError, KeyError, zipfile.BadZipFile):
                return _read_cache(cached)
        try:
            opened = self._open(archive)
            parts = read_obj(opened, path, palette=self._palette(archive))
        except KeyError:
            return None
        except (IndexError, TypeError, ValueError) as error:
            raise InputError(
                f"{archive.name}:{path}", expected="a readable OBJ model", got=error, fix="Fetch the packages again."
            ) from error
        model = normalize(*parts, rotation=rotation)
        if model is not None:
            with contextlib.suppress(OSError, StoreError):  # a disk that is full or read-only only costs time
                _write_cache(cached, model)
        return model

    def _open(self, archive: Path) -> zipfile.ZipFile:
        if archive not in self._archives:
            self._archives[archive] = open_zip(archive)
        return self._archives[archive]

    def _palette(self, archive: Path) -> dict[str, tuple]:
        if archive not in self._palettes:
            self._palettes[archive] = built_in_palette(self._open(archive))
        return self._palettes[archive]


def built_in_palette(archive: zipfile.ZipFile) -> dict[str, tuple]:
    """Colours of the material names the program knows by itself, read from its own OBJ loader; empty for libraries."""
    try:
        data = read_entry(archive, "com/eteks/sweethome3d/j3d/OBJLoader.class")
    except KeyError:
        return {}
    found = re.findall(rb"newmtl (\S+)\s+Ka [\d. ]+\s+Kd ([\d.]+) ([\d.]+) ([\d.]+)", data)
    return {name.decode(): tuple(min(float(c), 1.0) for c in rgb) for name, *rgb in found}


def normalize(corners, normals, uv, material, materials, pane, *, rotation) -> Model | None:
    """Turn by ``rotation``, y-up to z-up, thin, scale to the unit cube. None for a model without triangles."""
    turn = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]]) @ rotation  # (x, y up, z front) -> (x, -z, y)
    corners, normals = corners @ turn.T, normals @ turn.T
    if len(corners) == 0:
        return None
    low, high = corners.min((0, 1)), corners.max((0, 1))
    size = np.maximum(high - low, 1e-6)
    corners = thin(corners, size=size, limit=MAX_TRIANGLES)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    keep = area > 1e-12 * float(size.max()) ** 2
    corners = (corners - (low + high) / 2) / size
    return Model(
        corners=corners[keep].astype(np.float32),
        normals=normals[keep].astype(np.float32),
        proportions=size,
        uv=uv[keep].astype(np.float32),
        material=material[keep],
        materials=materials,
        pane=pane[keep],
    )


def thin(corners: np.ndarray, *, size: np.ndarray, limit: int) -> np.ndarray:
    """Corners [T,3,3] snapped to the mean of their grid cell, the cell growing until at most ``limit`` triangles keep
    an area.

    Rows stay in place (collapsed triangles become degenerate), so normals, uv and materials keep their index.
    """
    flat = corners.reshape(-1, 3)
    low = flat.min(0)
    cell = float(size.max()) / 400
    while True:
        if int((np.linalg.norm(face_normals(corners), axis=1) > 0.5).sum()) <= limit:
            return corners
        index = np.floor((flat - low) / cell).astype(np.int64)
        key = (index[:, 0] * 4096 + index[:, 1]) * 4096 + index[:, 2]
        _, inverse, count = np.unique(key, return_inverse=True, return_counts=True)
        mean = np.stack([np.bincount(inverse, flat[:, k]) / count for k in range(3)], axis=1)
        snapped = mean[inverse].reshape(corners.shape)
        cells = inverse.reshape(-1, 3)
        collapsed = (cells[:, 0] == cells[:, 1]) | (cells[:, 1] == cells[:, 2]) | (cells[:, 0] == cells[:, 2])
        twins = _duplicates(np.sort(cells, axis=1))
        snapped[collapsed | twins] = snapped[collapsed | twins][:, :1]
        if int((~(collapsed | twins)).sum()) <= limit:
            return snapped
        cell *= 1.25


def _duplicates(rows: np.ndarray) -> np.ndarray:
    """[T] bool: rows [T, 3] of small integers (as many kinds as fit a cubic key) that occurred before."""
    kinds = int(rows.max(initial=0)) + 1
    _, first = np.unique((rows[:, 0] * kinds + rows[:, 1]) * kinds + rows[:, 2], return_index=True)
    again = np.ones(len(rows), bool)
    again[first] = False
    return again


def _write_cache(path: Path, model: Model) -> None:
    arrays: dict[str, Any] = {
        k: getattr(model, k) for k in ("corners", "normals", "proportions", "uv", "material", "pane")
    }
    textures: dict[str, Any] = {
        f"texture_{i}": m.texture for i, m in enumerate(model.materials) if m.texture is not None
    }
    about = json.dumps([{"color": m.color, "name": m.name} for m in model.materials])
    with atomic_file(path, lasting=False) as temporary:
        np.savez(temporary, about=np.frombuffer(about.encode(), np.uint8), **arrays, **textures)


def _read_cache(path: Path) -> Model:
    with np.load(path, allow_pickle=False) as data:
        about = json.loads(data["about"].tobytes())
        materials = tuple(
            Material(
                color=tuple(m["color"]),
                name=m["name"],
                texture=data[f"texture_{i}"] if f"texture_{i}" in data else None,
            )
            for i, m in enumerate(about)
        )
        arrays = {k: data[k] for k in ("corners", "normals", "proportions", "uv", "material", "pane")}
    return Model(materials=materials, **arrays)
