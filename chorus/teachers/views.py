"""Teacher views: the scene rendered from its Gaussians, and what every teacher sees in the renders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from torch import Tensor

from chorus.cameras import Cameras
from chorus.errors import InputError
from chorus.json_files import read_json, write_json
from chorus.room import require_disk, require_memory
from chorus.scene import GaussianScene
from chorus.splat.rasterize import render
from chorus.teachers.base import ROLES, Role, Teacher
from chorus.teachers.compress import features_shape, load_features, save_features
from chorus.teachers.extract import Progress, extract
from chorus.teachers.masks import MaskTargets, has_masks

MASKS = "masks"
EMPTY = 0.5  # grey shown where no Gaussian covers a pixel
_AGAIN = "Make the teacher views again."


@dataclass(frozen=True, kw_only=True)
class TeacherViews:
    """A folder of teacher views. Features are read when asked for.

    A role's features lie in columns: the patches of all views one after another, or the masks of all views.
    """

    folder: Path
    cameras: Cameras

    @property
    def roles(self) -> tuple[Role, ...]:
        return tuple(role for role in ROLES if self._path(role).is_file())

    def renders(self) -> np.ndarray:
        """[V, H, W, 3] uint8."""
        return np.stack([_read_image(self.folder / _render_name(i)) for i in range(len(self.cameras))])

    def maps(self, role: Role) -> Tensor:
        """[V, h, w, C] half: the patch features; of a role that answers by mask [1, 1, R, C], a row a mask."""
        return load_features(self._path(role))

    def patches_taking_part(self, rows: int, cols: int) -> Tensor | None:
        """[V * rows * cols] bool: patches at least half of whose pixels take part; None where all of them do."""
        if not (self.folder / MASKS).is_dir():
            return None
        masks = np.stack([_read_image(self.folder / MASKS / f"{i:04d}.png") > 0 for i in range(len(self.cameras))])
        share = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(masks).float(), (rows, cols))
        return (share >= 0.5).flatten()

    def by_mask(self, role: Role) -> bool:
        """Whether the role's features are those of masks."""
        return has_masks(self._path(role))

    def masks(self, role: Role) -> MaskTargets:
        """The masks of a role that answers by mask."""
        return MaskTargets.load(self._path(role))

    def grid(self, role: Role) -> tuple[int, int]:
        """(rows, cols) of the role's patches, read without its features; (1, R) of masks."""
        _, rows, cols, _ = features_shape(self._path(role))
        return rows, cols

    def channels(self, role: Role) -> int:
        return features_shape(self._path(role))[-1]

    def starts(self, role: Role) -> Tensor:
        """[V + 1] int64: the first column of each view, and the number of columns."""
        if self.by_mask(role):
            return self.masks(role).starts
        rows, cols = self.grid(role)
        return torch.arange(len(self.cameras) + 1) * (rows * cols)

    def _path(self, role: Role) -> Path:
        return self.folder / f"{role}.safetensors"


def make_teacher_views(
    scene: GaussianScene,
    cameras: Cameras,
    teachers: dict[Role, Teacher],
    *,
    out: Path,
    storage: str = "half",
    error: float = 0.02,
    batch: int = 8,
    device: torch.device | str = "cpu",
    report: Callable[[Progress], None] | None = None,
    masks: np.ndarray | None = None,
) -> dict:
    """Render every camera from the Gaussians, show the renders to every teacher, and write the folder ``out``.

    cameras: usually all poses of the capture. Poses whose photographs were held out of the fit serve as well: a teacher
    sees renders only, so no held-out pixel reaches it. Pixels no Gaussian covers are grey. storage, error: how patch
    features are kept (``compress.py``); batch: views at once; masks [V, H, W] bool: pixels that take part, kept beside
    the renders, so that nothing is lifted from the others; device: where they are drawn and shown, and the host fetches
    from there what it writes, once a batch. Writes renders/*.png, cameras.json and a
    <role>.safetensors a teacher: patch features [V, h, w, C], or masks and their vectors of a teacher that answers by
    mask. Returns counts and the mean coverage.
    """
    out = Path(out)
    (out / "renders").mkdir(parents=True, exist_ok=True)
    covered, scene = torch.zeros(len(cameras)), scene.to(device)

    def draw(views: slice) -> Tensor:
        pixels, coverage = _rendered(scene, cameras.select(views))
        covered[views] = coverage.cpu()
        for number, view in zip(range(len(cameras))[views], pixels.cpu().numpy(), strict=True):
            Image.fromarray(view).save(out / _render_name(number), compress_level=3)
        return pixels.float() / 255  # what a file holds is what the teachers see

    answers: dict[Role, list] = {role: [] for role in teachers}
    for batch_answers in extract(teachers, draw, len(cameras), batch=batch, report=report):
        if not any(answers.values()):
            _require_room(batch_answers, cameras, out, storage=storage)
        for role, answer in batch_answers.items():
            answers[role].append(answer if isinstance(answer, MaskTargets) else answer.half().cpu())
    for role, teacher in teachers.items():
        part = None if masks is None else torch.from_numpy(masks)
        answer = _joined(answers.pop(role), part)
        _save(out / f"{role}.safetensors", answer, teacher=teacher.name, storage=storage, error=error)
    _write_cameras(out / "cameras.json", cameras)
    if masks is not None:
        (out / MASKS).mkdir(exist_ok=True)
        for number, mask in enumerate(masks):
            Image.fromarray(mask).save(out / MASKS / f"{number:04d}.png", compress_level=3)
    grids = {role: list(features_shape(out / f"{role}.safetensors")[1:3]) for role in teachers}
    return {"views": len(cameras), "grids": grids, "coverage": round(float(covered.mean()), 5)}


def _require_room(first: Mapping[Role, Tensor | MaskTargets], cameras: Cameras, out: Path, *, storage: str) -> None:
    """Raise InputError where what the first batch's patch features make of all views finds no room: as halves in
    memory, the largest once more while it is written, and on disk with the renders."""
    views = len(cameras)
    sizes = [2.0 * answer[0].numel() * views for answer in first.values() if not isinstance(answer, MaskTargets)]
    on_disk = sum(sizes) / (2 if storage == "int8" else 1) + cameras.width * cameras.height * views
    require_disk(out, on_disk, what=f"the teachers' features of {views} views")
    fix = "Take fewer views, or use a larger machine."
    require_memory(sum(sizes) + max(sizes, default=0), what=f"the teachers' features of {views} views", fix=fix)


def _rendered(scene: GaussianScene, cameras: Cameras) -> tuple[Tensor, Tensor]:
    """[b, H, W, 3] uint8 and the mean coverage of each view [b]."""
    with torch.no_grad():
        rendered = render(scene, cameras)
    colors = rendered.colors + (1 - rendered.alpha[..., None]) * EMPTY
    return (colors.clamp(0, 1) * 255).round().byte(), rendered.alpha.mean(dim=(1, 2))


def _joined(answers: list, part: Tensor | None) -> Tensor | MaskTargets:
    """The answers of all batches as one; masks without the pixels that take no part."""
    if not isinstance(answers[0], MaskTargets):
        return torch.cat(answers)
    joined = MaskTargets.concatenate(answers)
    return joined if part is None else joined.within(part)


def _save(path: Path, answer: Tensor | MaskTargets, *, teacher: str, storage: str, error: float) -> None:
    if isinstance(answer, MaskTargets):
        answer.save(path, teacher=teacher)
    else:
        save_features(path, answer, storage=storage, error=error, teacher=teacher)


def load_teacher_views(folder: Path) -> TeacherViews:
    """Raises MissingError or InputError when the folder is not one of teacher views."""
    path = Path(folder) / "cameras.json"
    spec = read_json(path, expected="the cameras of teacher views", fix=_AGAIN)
    try:
        cameras = Cameras(
            K=np.array([view["K"] for view in spec["views"]]),
            cam_from_world=np.array([view["cam_from_world"] for view in spec["views"]]),
            width=spec["width"],
            height=spec["height"],
        )
    except (KeyError, TypeError) as error:
        raise InputError(path, expected="the cameras of teacher views", got=error, fix=_AGAIN) from error
    return TeacherViews(folder=Path(folder), cameras=cameras)


def teacher_names(folder: Path) -> dict[Role, str]:
    """role -> the teacher's name, as its feature file says; empty where it says none."""
    names = {}
    for path in sorted(Path(folder).glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            names[path.stem] = (file.metadata() or {}).get("teacher", "")
    return names


def _render_name(view: int) -> str:
    return f"renders/{view:04d}.png"


def _write_cameras(path: Path, cameras: Cameras) -> None:
    views = [
        {"image": _render_name(i), "K": K.tolist(), "cam_from_world": pose.tolist()}
        for i, (K, pose) in enumerate(zip(cameras.K, cameras.cam_from_world, strict=True))
    ]
    content = {"axes": "opencv", "units": "m", "width": cameras.width, "height": cameras.height, "views": views}
    write_json(path, content)


def _read_image(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            return np.array(image.convert("RGB"))
    except OSError as error:
        raise InputError(path, expected="a readable PNG", got=error, fix=_AGAIN) from error


def read_tensor(path: Path, name: str, *, fix: str) -> Tensor:
    """One tensor of a safetensors file. Raises InputError, ending with ``fix``, when the file is absent, damaged or
    lacks it."""
    try:
        with safe_open(path, "pt") as file:
            return file.get_tensor(name)
    except (OSError, SafetensorError) as error:
        raise InputError(path, expected=f"a safetensors file with '{name}'", got=error, fix=fix) from error
