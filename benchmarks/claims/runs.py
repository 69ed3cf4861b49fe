"""What is trained, as data, and where its figures are kept.

A run's file is named after a hash of all that is declared here, the parameters and the recipes' numbers: what needs no
workspace to know, so that a fresh clone finds what lies in docs/runs. What the rooms held is in the file.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from chorus.encoder.shipped import RUN
from chorus.json_files import read_json, write_json
from chorus.params import Params
from chorus.recipes.recipe import NUMBERS
from chorus.stages import EVALUATION, REGISTRY
from chorus.store import atomic_file, plain

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "docs" / "runs" / "claims"
FORMAT = 1
ALL = ("lang", "dino", "object")
TOLD = (EVALUATION, REGISTRY)  # stages that tell of models and make none: their numbers change no run


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """An encoder and how it came about. rooms: share of the training rooms; generated: on as many rooms that a program
    drew; adapted: rooms of the second domain; then: generated rooms it is adapted to after those; shipped: the model
    that comes with the package."""

    kind: Literal["distilled", "masked", "untrained", "lifted", "shipped"] = "distilled"
    variant: Literal["splats", "points"] = "splats"
    roles: tuple[str, ...] = ALL
    late: bool = True  # the object teacher joins in the second half
    standard: Literal["phi_s", "channels", "none"] = "phi_s"
    augmentation: Literal["splats", "rigid", "points"] = "splats"
    labels: bool = False  # label contrast
    voxel: Literal["mean", "first"] = "mean"
    exact: bool = False  # targets as they were lifted, not the compact rows of them
    rooms: float = 1.0
    generated: bool = False
    adapted: int = 0
    then: int = 0

    @property
    def speaks(self) -> bool:
        """Whether words can be compared with its features."""
        return self.kind in ("distilled", "lifted", "shipped")

    @property
    def trained(self) -> bool:
        """Whether a training of ours makes it."""
        return self.kind in ("distilled", "masked") or self.adapted > 0

    @property
    def reads_generated(self) -> bool:
        """Whether it learns from rooms that a program drew."""
        return self.generated or self.then > 0


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What learns from labels over an encoder: of this share of rooms, of so many points a room (0: all)."""

    kind: Literal["linear", "decoder", "tune"] = "linear"
    rooms: float = 1.0
    points: int = 0


@dataclass(frozen=True, kw_only=True)
class Run:
    """One file of figures: of a frozen encoder in every protocol, or of one probe over it."""

    encoder: Encoder = Encoder()
    probe: Probe | None = None
    seed: int = 0
    steps: int  # of a distillation or masked training; an adaptation takes its own in proportion
    probe_steps: int  # of a decoder or a fine-tuning

    @property
    def name(self) -> str:
        """What differs from the usual, in words, and the seed."""
        parts = _differs(self.encoder, "encoder") + (_differs(self.probe, "probe") if self.probe else [])
        return "-".join([*parts, f"{self.steps}", f"s{self.seed}"])

    def trainings(self) -> list[Run]:
        """What is trained for it: its encoder, and a probe that is more than linear."""
        learns = self.probe is not None and self.probe.kind != "linear"
        return [self.frozen()] * self.encoder.trained + [self] * learns

    def learnt(self, params: Params) -> int:
        """Steps of the last of its trainings."""
        if self.probe is not None:
            return self.probe_steps
        return round(params.adapt.steps * self.steps / params.distill.steps) if self.encoder.adapted else self.steps

    def frozen(self) -> Run:
        """The run of the encoder alone, which trains it."""
        return replace(self, probe=None)

    def key(self, params: Params) -> str:
        """12 hex digits of what it is made from, the rooms' content aside."""
        read = plain({name: getattr(params, name) for name in ("encoder", "distill", "adapt", "evaluate", "targets")})
        own = {"encoder": _changes(self.encoder), "probe": self.probe and [self.probe.kind, _changes(self.probe)]}
        run = own | {"seed": self.seed, "steps": self.steps, "probe_steps": self.probe_steps if self.probe else 0}
        numbers = {stage: number for stage, number in NUMBERS.items() if stage not in TOLD}
        made = {"format": FORMAT, "run": run, "params": read, "numbers": numbers}
        if self.encoder.kind == "shipped":
            made["weights"] = read_json(RUN)["encoder"]
        return hashlib.sha256(json.dumps(made, sort_keys=True, default=str).encode()).hexdigest()[:12]

    def file(self, params: Params, folder: Path = RUNS) -> Path:
        return folder / f"{self.name}-{self.key(params)[:8]}.json"


def _changes(spec: Any) -> dict[str, Any]:
    """What differs from the usual: so a choice that is new here leaves the hash of what was there before."""
    usual = type(spec)()
    found = {field.name: getattr(spec, field.name) for field in fields(spec)}
    return {name: value for name, value in found.items() if value != getattr(usual, name)}


def _differs(spec: Any, what: str) -> list[str]:
    found = [_said(name, value) for name, value in _changes(spec).items()]
    return found or ["usual" if what == "encoder" else "linear"]


def _said(name: str, value: Any) -> str:
    if isinstance(value, tuple):
        return "+".join(value)
    if isinstance(value, bool):
        return name if value else f"no_{name}"
    return f"{name}{value}" if isinstance(value, (int, float)) else str(value)


def kept(run: Run, params: Params, folder: Path = RUNS) -> dict[str, Any] | None:
    """The figures of a run that was done, or None."""
    path = run.file(params, folder)
    return read_json(path) if path.exists() else None


def keep(run: Run, params: Params, figures: dict[str, Any], folder: Path = RUNS) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_file(run.file(params, folder)) as path:
        write_json(path, {"format": FORMAT, "name": run.name, "run": plain(asdict(run)), **figures})
