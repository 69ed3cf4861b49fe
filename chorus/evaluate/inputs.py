"""What the evaluation needs, as plain arrays: it neither loads models nor knows where artifacts live."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from chorus.capture import Capture
from chorus.errors import InputError
from chorus.evaluate.points import TruthPoints
from chorus.evaluate.rooms import Split
from chorus.scene import GaussianScene

METHODS = ("student", "points", "lifted")  # those with language features; chance has none
PROBED = ("student", "points", "lifted", "random", "color_only")


@dataclass(frozen=True, kw_only=True)
class Field:
    """Features of one method at N places of a room: Gaussian centres or points."""

    positions: np.ndarray  # [N, 3] m
    lang: np.ndarray | None = None  # [N, C] comparable with the text embeddings
    valid: np.ndarray | None = None  # [N] bool: where `lang` says something; everywhere when None
    probe: np.ndarray | None = None  # [N, D] frozen features a linear probe reads

    @property
    def words(self) -> np.ndarray:
        """[N, C] ``lang``. Raises InputError for a method without."""
        return _present(self.lang, "language features")

    @property
    def frozen(self) -> np.ndarray:
        """[N, D] ``probe``. Raises InputError for a method without."""
        return _present(self.probe, "frozen features")

    @property
    def speaks(self) -> np.ndarray:
        """[N] bool."""
        return np.ones(len(self.positions), bool) if self.valid is None else self.valid


def richest(rooms: Iterable[Room]) -> list[Room]:
    """Rooms that have Gaussians to show, those with the most classes first."""
    shown = [room for room in rooms if room.gaussians is not None]
    return sorted(shown, key=lambda room: (-len(np.unique(room.truth.semantic)), room.name))


def _present(features: np.ndarray | None, what: str) -> np.ndarray:
    if features is None:
        raise InputError("evaluation", expected=f"a method with {what}", got="one without")
    return features


@dataclass(frozen=True, kw_only=True)
class Room:
    """A labelled room. truth: class ids of ReportInputs.names. fields by method: student, points, lifted, random,
    color_only, before and after (adaptation), noisy (the student's of a perturbed scene)."""

    name: str
    truth: TruthPoints
    fields: Mapping[str, Field]
    gaussians: GaussianScene | None = None  # for pictures
    capture: Capture | None = None  # for pictures
    info: Mapping[str, Any] = field(
        default_factory=dict
    )  # home, room, domain, split; models: how often which was drawn


@dataclass(frozen=True, kw_only=True)
class ReportInputs:
    """Everything a report is made from."""

    names: tuple[str, ...]  # the label set: every name is a candidate in every room
    text: np.ndarray  # [T, C] embeddings of the names' prompts
    taught: tuple[str, ...]  # names the language teacher saw labels of; all of them for a foundation teacher
    withheld: tuple[str, ...]  # names kept out of its training; the rest of the names merely never occurred there
    family: str = "embedded"  # of the teachers: embedded | foundation
    split: Split = "held_out"  # what `test` and `adaptation` are
    test: tuple[Room, ...]  # rooms of the main domain
    probe_train: tuple[Room, ...] = ()  # rooms of the training homes; read by the probe alone
    trained_models: frozenset[str] = frozenset()  # furniture models drawn in any room trained on
    adaptation: tuple[Room, ...] = ()  # rooms of the second domain with fields before and after
    validation: tuple[Room, ...] = ()  # beside a held-out test: rooms with fields student and points
    validation_adaptation: tuple[Room, ...] = ()  # and rooms of the second domain with fields before and after
    curves: Mapping[str, Path] = field(default_factory=dict)  # model name -> curves.csv
    fit: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # scene -> metrics.json of its Gaussians
    page: str | None = None  # HTML of a test room to turn, click and ask (chorus.view.page)
    links: Mapping[str, str] = field(default_factory=dict)  # test room -> address of its fit's pictures from the report
    sheets: Mapping[str, Path | bytes] = field(default_factory=dict)  # caption -> PNG (fit contact sheets, teacher PCA)
    teachers: Mapping[str, object] = field(default_factory=dict)  # role -> figures in 2D, percent; rooms and views
    storage: Mapping[str, float] = field(default_factory=dict)  # targets_bytes, naive_bytes, rows_cosine
    seconds: Mapping[str, float] = field(default_factory=dict)  # stage -> seconds
    started: float | None = (
        None  # time.perf_counter() when this evaluation began; its own seconds count from there to the last chart
    )
    provenance: Mapping[str, str] = field(default_factory=dict)  # artifact -> content hash
    settings: Mapping[str, object] = field(default_factory=dict)  # the parameters the figures depend on most
    seed: int = 0
