"""From the store to what a distillation reads: scenes opened when a sample asks for them, a crop's chunks at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from chorus.distill.batches import Balance, CompactTargets, TrainingScene, balancing_role
from chorus.distill.scenes import SAMPLE, TrainingScenes, check_roles, crop_rows
from chorus.errors import InputError
from chorus.io import read_scene
from chorus.splat.labels import load_labels
from chorus.store import MANIFEST, Store, manifest_of
from chorus.teachers.base import Role
from chorus.teachers.phi_s import STANDARDS, Standard
from chorus.teachers.row_codec import CHUNK
from chorus.teachers.rows import RowFile
from chorus.train.schedule import generator_of

HELD = 64_000_000  # bytes of opened scenes that stay in memory: the first ones opened whole, as many as fit
LABELS = ("lang", "object")  # roles that label contrast is for
_CHUNKS = 8  # of a scene, that rows are sampled from


@dataclass(frozen=True)
class StoredScene:
    """Where a scene's Gaussians (a folder or a file of them) and its targets lie."""

    name: str
    gaussians: Path
    targets: Path


@dataclass(frozen=True, kw_only=True)
class Reader:
    """How the scenes of a training are read, all alike.

    like: the name of the first, whose stored widths (role -> C) and teachers (role -> name) the others must have;
    roles: those that teach; standards: role -> the space it is learnt in; labels_read: roles that labels are brought
    to.
    """

    like: str
    stored: Mapping[str, int]
    teachers: Mapping[str, str]
    roles: tuple[Role, ...]
    standards: Mapping[str, Standard]
    labels_read: Sequence[str] = ()

    @property
    def channels(self) -> dict[str, int]:
        """Role -> C, of those that teach."""
        return {role: count for role, count in self.stored.items() if role in self.roles}

    @property
    def spaces(self) -> dict[str, tuple[Tensor, Tensor]]:
        """role -> (matrix [C, C], mean [C]): x = x~ @ matrix + mean, as a model keeps it."""
        return {role: (fitted.back, fitted.mean) for role, fitted in self.standards.items()}

    def file(self, scene: StoredScene) -> RowFile:
        """Its rows. Raises InputError where they are damaged, or of other teachers or widths than the first's."""
        return file_like(scene, stored=self.stored, teachers=self.teachers, of=self.like)

    def open(self, stored: StoredScene, *, crop: int = 0, generator: torch.Generator | None = None) -> TrainingScene:
        """The scene, or ``crop`` of its Gaussians in one place, which the generator draws."""
        file, scene = self.file(stored), read_scene(stored.gaussians)
        order = file.order(scene)
        valid, labels = {role: file.valid(role) for role in self.roles}, self._labels(stored, order)
        rows = None
        if crop and crop < len(scene) and generator is not None:
            along = scene.select(order)
            rows = crop_rows(along, crop, among=valid[balancing_role(self.channels)], generator=generator)
            order = order[rows]
            valid, labels = ({role: each[rows] for role, each in kept.items()} for kept in (valid, labels))
        targets = {role: self._targets(file, role, rows) for role in self.roles}
        return TrainingScene(name=stored.name, scene=scene.select(order), targets=targets, valid=valid, labels=labels)

    def some(self, scene: StoredScene, count: int, generator: torch.Generator) -> Tensor:
        """[n, C] float32: at most ``count`` valid rows, of a few chunks, of the role that balances."""
        file, role = self.file(scene), balancing_role(self.channels)
        known: Role = next(name for name in file.roles if name == role)
        matrix, offset = file.reading(known, self.standards[known])
        chunks = torch.randperm(-(-len(file) // CHUNK), generator=generator)[:_CHUNKS].sort().values
        inside = torch.cat([torch.arange(c * CHUNK, min((c + 1) * CHUNK, len(file))) for c in chunks.tolist()])
        rows = torch.nonzero(file.valid(known)[inside])[:, 0]
        rows = rows[torch.randperm(len(rows), generator=generator)[:count]]
        return offset + file.coefficients(known, chunks.tolist())[rows] @ matrix

    def _targets(self, file: RowFile, role: Role, rows: Tensor | None) -> CompactTargets:
        matrix, offset = file.reading(role, self.standards[role])
        z = file.coefficients(role, dtype=torch.float16) if rows is None else file.coefficients_at(role, rows)
        return CompactTargets(z, matrix, offset)

    def _labels(self, stored: StoredScene, order: Tensor) -> dict[str, Tensor]:
        """role -> [N] int64 along the curve, -1 where there is none."""
        if not self.labels_read:
            return {}
        labels = load_labels(stored.gaussians / "labels.npz")
        found = {"lang": labels.semantic, "object": labels.instance}
        return {role: torch.from_numpy(found[role].astype(np.int64))[order] - 1 for role in self.labels_read}


class StoredScenes(TrainingScenes):
    """Scenes on disk; reader: how they are read, PHI-S fitted on all of them.

    The rest is for those who ask what a part of the method is worth. roles: the teachers that teach, all of them when
    None; standard: PHI-S, each channel's own deviation (channels), or the teachers' own spaces (none); labels: bring
    the Gaussians' classes to the language teacher and their instances to the object teacher, for label contrast.

    What is held in memory does not grow with their number beyond HELD. Raises InputError for none, for one whose rows
    are absent or damaged, and for one made with other teachers than the first.
    """

    def __init__(
        self,
        scenes: Sequence[StoredScene],
        *,
        roles: Sequence[str] | None = None,
        standard: Literal["phi_s", "channels", "none"] = "phi_s",
        labels: bool = False,
    ):
        if not scenes:
            raise InputError("distillation", expected="at least one training scene", got="none")
        self.scenes, self.names = list(scenes), [scene.name for scene in scenes]
        first = RowFile.open(scenes[0].targets)
        stored = dict(sorted(first.channels.items()))
        absent = sorted(set(roles or ()) - set(stored))
        if absent or roles == ():
            expected = f"teachers among {', '.join(stored)}"
            raise InputError("distillation", expected=expected, got=", ".join(absent) or "none")
        taught: tuple[Role, ...] = tuple(role for role in first.roles if roles is None or role in roles)
        files = partial(file_like, stored=stored, teachers=first.teachers, of=self.names[0])
        self.reader = Reader(
            like=self.names[0],
            stored=stored,
            teachers=first.teachers,
            roles=taught,
            standards={
                role: STANDARDS[standard](files(scene).moments(role) for scene in self.scenes) for role in taught
            },
            labels_read=[role for role in LABELS if labels and role in taught],
        )
        self.channels, self.labels_read = self.reader.channels, list(self.reader.labels_read)
        self._standard = standard
        self.hashes = [_identity(scene) for scene in self.scenes]
        self._held: dict[int, TrainingScene] = {}
        self._room = HELD

    @classmethod
    def of(cls, store: Store, names: Sequence[str], **choices: Any) -> StoredScenes:
        """The rooms of these names, in their order. choices: as of the class."""
        scenes = [StoredScene(name, store.scene(name, "gaussians"), store.scene(name, "targets")) for name in names]
        return cls(scenes, **choices)

    def identity(self) -> Any:
        scenes = [[name, found] for name, found in zip(self.names, self.hashes, strict=True)]
        return [scenes, list(self.reader.roles), self._standard, self.labels_read]

    def sample(self, *, seed: int) -> Tensor:
        """[n, C] float32: rows of all scenes, of the role that balances; n is at most SAMPLE, or one of each scene."""
        generator = generator_of(seed, 8)
        each = max(1, SAMPLE // len(self))
        sample, filled = torch.empty(each * len(self), self.channels[balancing_role(self.channels)]), 0
        for scene in self.scenes:  # into one array: small ones left between large temporaries would hold the heap open
            some = self.reader.some(scene, each, generator)
            sample[filled : filled + len(some)] = some
            filled += len(some)
        return sample[:filled]

    def balance(self, *, seed: int) -> Balance:
        return Balance.fit(balancing_role(self.channels), self.sample(seed=seed), seed=seed)

    def open(self, which: int, *, crop: int = 0, generator: torch.Generator | None = None) -> TrainingScene:
        if not crop and which in self._held:
            return self._held[which]
        found = self.reader.open(self.scenes[which], crop=crop, generator=generator)
        if not crop and (size := _bytes(found)) <= self._room and which not in self._held:
            self._held[which], self._room = found, self._room - size
        return found


def file_like(scene: StoredScene, *, stored: Mapping[str, int], teachers: Mapping[str, str], of: str) -> RowFile:
    """A scene's rows. Raises InputError where they are damaged, or of other teachers or widths than those of ``of``."""
    file = RowFile.open(scene.targets)
    check_roles(scene.name, dict(sorted(file.channels.items())), like=stored, of=of)
    if file.teachers != teachers:
        raise InputError(
            f"training scene {scene.name}",
            expected=f"targets of the teachers of {of}, {', '.join(teachers.values())}",
            got=", ".join(file.teachers.values()),
            fix="Make the teacher views and targets of both with the same teachers.",
        )
    return file


def _bytes(scene: TrainingScene) -> int:
    coefficients = [target.z for target in scene.targets.values() if isinstance(target, CompactTargets)]
    return sum(x.numel() * x.element_size() for x in (*scene.scene.tensors().values(), *coefficients))


def _identity(scene: StoredScene) -> str:
    """What tells a scene from another: its manifests' hashes; without manifests, the checksums of its rows."""
    folders = (scene.gaussians, scene.targets)
    if all((folder / MANIFEST).exists() for folder in folders):
        return " ".join(manifest_of(folder)["hash"] for folder in folders)
    return RowFile.open(scene.targets).identity()
