"""The three teachers the params name, ready to look at images."""

from __future__ import annotations

from pathlib import Path

import torch

from chorus.errors import MissingError, ParamsError
from chorus.json_files import read_json
from chorus.params import FoundationParams, TeacherParams
from chorus.teachers.base import ROLES, Role, Teacher
from chorus.teachers.foundation.cache import CachedTeacher
from chorus.teachers.foundation.catalog import SOURCES
from chorus.teachers.foundation.dino import MODEL_TYPES, load_dino
from chorus.teachers.foundation.pe import load_perception
from chorus.teachers.foundation.pooled import MaskPooledTeacher
from chorus.teachers.foundation.radio import RadioTeacher, RadioTrunk, load_radio
from chorus.teachers.foundation.sam import SamTeacher, load_sam
from chorus.teachers.foundation.segment import SamMasks
from chorus.teachers.foundation.siglip import CONFIG, load_open_clip
from chorus.teachers.foundation.weights import fingerprint, resolve
from chorus.teachers.foundation.windows import WindowedTeacher


def load_foundation(
    params: TeacherParams, root: Path = Path(), *, device: torch.device | str | None = None
) -> dict[Role, Teacher]:
    """role -> teacher. root: the workspace that relative folders of the params start from; device: CUDA where there is
    one.

    Raises MissingError with the command to run where weights are absent; nothing is downloaded here.
    """
    if params.foundation.lang_mode not in ("patches", "masks"):
        raise ParamsError(
            "teachers.foundation.lang_mode", expected="patches or masks", got=repr(params.foundation.lang_mode)
        )
    builder = _Builder(params, Path(root), device)
    return {role: builder.teacher(role) for role in ROLES}


class _Builder:
    """Loads each model once, however many roles it fills."""

    def __init__(self, params: TeacherParams, root: Path, device: torch.device | str | None):
        self._all: FoundationParams = params.foundation
        self._weights, self._root, self._device = root / params.dir, root, device
        self._trunks: dict[Path, RadioTrunk] = {}

    def teacher(self, role: Role) -> Teacher:
        """The role's teacher. Raises ParamsError when the model named fills another role, MissingError when its weights
        are absent."""
        name = getattr(self._all, role)
        path = resolve(name, self._weights, role=role)
        teacher = self._load(role, path, name=label(name))
        if teacher.role != role:
            raise ParamsError(
                f"teachers.foundation.{role}",
                expected=f"a model for the role '{role}'",
                got=f"'{name}', which fills '{teacher.role}'",
            )
        if role == "lang" and self._all.lang_mode == "masks":
            return self._mask_pooled(teacher)
        if self._all.window:
            teacher = WindowedTeacher(teacher, window=self._all.window, overlap=self._all.overlap)
        return (
            CachedTeacher(teacher, self._root / self._all.cache, batch=self._all.batch) if self._all.cache else teacher
        )

    def _load(self, role: Role, path: Path, *, name: str):
        common = {"name": name, "fingerprint": fingerprint(path), "device": self._device, "half": self._all.half}
        kind = kind_of(path)
        if kind == "radio":
            return self._radio(role, path, common)
        if kind == "sam":
            return SamTeacher(load_sam(path), **common)
        if kind == "open_clip":
            return load_open_clip(path, **common)
        read = load_dino if kind == "dino" else load_perception
        return read(path, long_side=self._all.long_side, **common)

    def _radio(self, role: Role, path: Path, common: dict) -> RadioTeacher:
        if path not in self._trunks:
            self._trunks[path] = load_radio(path, trust_remote_code=self._all.trust_remote_code)
        text = None
        if role == "lang":
            words = resolve(self._all.text, self._weights, role="lang")
            text = load_open_clip(words, **{**common, "name": label(self._all.text)})
            text.net.visual = None  # only the words are needed
        return RadioTeacher(self._trunks[path], role=role, text=text, **{**common, "name": f"{common['name']}-{role}"})

    def _mask_pooled(self, lang) -> MaskPooledTeacher:
        if not hasattr(lang, "embed"):
            raise ParamsError(
                "teachers.foundation.lang_mode",
                expected="patches for this language teacher",
                got="masks",
                fix="Masks need an open_clip model.",
            )
        path = resolve(self._all.masks, self._weights, role="masks")
        masks = SamMasks(
            load_sam(path), self._all.mask, fingerprint=fingerprint(path), device=self._device, half=self._all.half
        )
        return MaskPooledTeacher(
            lang, masks, batch=4 * self._all.batch, cache=self._root / self._all.cache if self._all.cache else None
        )


def kind_of(path: Path) -> str:
    """Which loader reads this file or folder, by what lies in it."""
    if path.is_file() or (not (path / "config.json").exists() and not (path / CONFIG).exists()):
        return "sam"
    if (path / CONFIG).exists():
        return "open_clip"
    config = read_json(path / "config.json", fix="Pull the model again.")
    if config.get("model_type") in MODEL_TYPES:
        return "dino"
    if "architecture" in config:
        return "perception"
    if "adaptor_configs" in config or "auto_map" in config:
        return "radio"
    raise MissingError(
        path,
        expected="a model of open_clip, DINO, timm, segment-anything or C-RADIO",
        got=f"model_type {config.get('model_type')!r}",
    )


def label(name: str) -> str:
    """A short name for files and reports."""
    return name if name in SOURCES else Path(name).stem.replace(":", "-").lower()
