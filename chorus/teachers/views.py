"""Teacher views: the scene rendered from its Gaussians, and what every teacher sees in the renders."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from chorus.cameras import Cameras
from chorus.errors import InputError
from chorus.scene import GaussianScene
from chorus.splat.rasterize import render
from chorus.teachers.base import ROLES, Role, Teacher

EMPTY = 0.5  # grey shown where no Gaussian covers a pixel
_BATCH = 8  # views a teacher sees at once


@dataclass(frozen=True, kw_only=True)
class TeacherViews:
    """A folder of teacher views. Feature maps are read when asked for."""

    folder: Path
    cameras: Cameras

    @property
    def roles(self) -> tuple[Role, ...]:
        return tuple(role for role in ROLES if (self.folder / f"{role}.safetensors").is_file())

    def renders(self) -> np.ndarray:
        """[V, H, W, 3] uint8."""
        return np.stack([_read_image(self.folder / _render_name(i)) for i in range(len(self.cameras))])

    def maps(self, role: Role) -> Tensor:
        """[V, h, w, C] half: the patch features."""
        return read_tensor(self.folder / f"{role}.safetensors", "features", fix="Make the teacher views again.")

    def grid(self, role: Role) -> tuple[int, int]:
        """(rows, cols) of the role's patches, read without its features."""
        path = self.folder / f"{role}.safetensors"
        try:
            with safe_open(path, "pt") as file:
                return tuple(file.get_slice("features").get_shape()[1:3])
        except (OSError, SafetensorError) as error:
            raise InputError(path, expected="patch features", got=error, fix="Make the teacher views again.") from error


def make_teacher_views(
    scene: GaussianScene,
    cameras: Cameras,
    teachers: dict[Role, Teacher],
    *,
    out: Path,
    progress: Callable[[int, int], None] | None = None,
) -> dict:
    """Render every camera from the Gaussians, show the renders to every teacher, and write the folder ``out``.

    cameras: usually all poses of the capture. Poses whose photographs were held out of the fit serve as well: a teacher sees renders only,
    so no held-out pixel reaches it. Pixels no Gaussian covers are grey. progress: called with (views done, views). Writes renders/*.png,
    cameras.json and a <role>.safetensors a teacher (features [V, h, w, C] half). Returns counts and the mean coverage.
    """
    out = Path(out)
    (out / "renders").mkdir(parents=True, exist_ok=True)
    maps: dict[Role, list[Tensor]] = {role: [] for role in teachers}
    covered = []
    for start in range(0, len(cameras), _BATCH):
        batch = cameras.select(slice(start, start + _BATCH))
        with torch.no_grad():
            rendered = render(scene, batch)
        colors = rendered.colors + (1 - rendered.alpha[..., None]) * EMPTY
        pixels = (colors.clamp(0, 1) * 255).round().byte().cpu()  # what a file holds is what the teachers see
        covered.append(rendered.alpha.mean(dim=(1, 2)).cpu())
        for offset, view in enumerate(pixels.numpy()):
            Image.fromarray(view).save(out / _render_name(start + offset), compress_level=3)
        images = pixels.float() / 255
        for role, teacher in teachers.items():
            maps[role].append(teacher.features(images).half().cpu())
        if progress:
            progress(min(start + _BATCH, len(cameras)), len(cameras))
    for role, teacher in teachers.items():
        save_file({"features": torch.cat(maps[role]).contiguous()}, out / f"{role}.safetensors", metadata={"teacher": teacher.name})
    _write_cameras(out / "cameras.json", cameras)
    grids = {role: list(maps[role][0].shape[1:3]) for role in teachers}
    return {"views": len(cameras), "grids": grids, "coverage": round(float(torch.cat(covered).mean()), 5)}


def load_teacher_views(folder: Path) -> TeacherViews:
    """Raises InputError when the folder is not one of teacher views."""
    path = Path(folder) / "cameras.json"
    try:
        spec = json.loads(path.read_text())
        cameras = Cameras(
            K=np.array([view["K"] for view in spec["views"]]),
            cam_from_world=np.array([view["cam_from_world"] for view in spec["views"]]),
            width=spec["width"],
            height=spec["height"],
        )
    except (OSError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise InputError(path, expected="the cameras of teacher views", got=error, fix="Make the teacher views again.") from error
    return TeacherViews(folder=Path(folder), cameras=cameras)


def _render_name(view: int) -> str:
    return f"renders/{view:04d}.png"


def _write_cameras(path: Path, cameras: Cameras) -> None:
    views = [
        {"image": _render_name(i), "K": K.tolist(), "cam_from_world": pose.tolist()}
        for i, (K, pose) in enumerate(zip(cameras.K, cameras.cam_from_world, strict=True))
    ]
    content = {"axes": "opencv", "units": "m", "width": cameras.width, "height": cameras.height, "views": views}
    path.write_text(json.dumps(content, sort_keys=True, indent=1) + "\n")


def _read_image(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            return np.array(image.convert("RGB"))
    except OSError as error:
        raise InputError(path, expected="a readable PNG", got=error, fix="Make the teacher views again.") from error


def read_tensor(path: Path, name: str, *, fix: str) -> Tensor:
    """One tensor of a safetensors file. Raises InputError, ending with ``fix``, when the file is absent, damaged or lacks it."""
    try:
        with safe_open(path, "pt") as file:
            return file.get_tensor(name)
    except (OSError, SafetensorError) as error:
        raise InputError(path, expected=f"a safetensors file with '{name}'", got=error, fix=fix) from error
