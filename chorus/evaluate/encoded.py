"""Features of a scene from every method the report compares, as plain fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import chorus
from chorus.encoder.encode import SceneEncoder, model_folder
from chorus.errors import InputError, MissingError
from chorus.evaluate import retrieval
from chorus.evaluate.inputs import Field
from chorus.probe import sample_rows, untrained
from chorus.scene import GaussianScene
from chorus.teachers.lift import load_targets
from chorus.text import prompt

NOISE = 0.05  # m, of the perturbed scenes that objects are retrieved from


@dataclass(frozen=True)
class Encoders:
    """The models a report compares. points and adapted may be absent."""

    student: SceneEncoder
    points: SceneEncoder | None
    random: SceneEncoder  # the student's architecture with fresh weights
    adapted: SceneEncoder | None
    seed: int

    @classmethod
    def load(cls, encoder: Path, adapted: Path | None, *, seed: int, device: str = "auto") -> Encoders:
        """From model folders, on a device as chorus.load names it.

        Raises ChorusError when the encoder is absent or speaks no words.
        """
        if not Path(encoder).is_dir():
            raise MissingError(
                encoder,
                expected="a trained encoder's folder",
                got="nothing there",
                fix="Materialize models/encoder first.",
            )
        student = chorus.load(encoder, device=device)
        if "lang" not in student.available:
            raise InputError(encoder, expected="a model with a language head", got=", ".join(student.available))
        return cls(
            student=student,
            points=chorus.load(encoder, variant="points", device=device)
            if model_folder(encoder, variant="points") != Path(encoder)
            else None,
            random=SceneEncoder(untrained(student, seed=seed)),
            adapted=chorus.load(adapted, device=device) if adapted is not None else None,
            seed=seed,
        )

    def text(self, names: Sequence[str]) -> np.ndarray:
        """[T, C] what the student takes class names for."""
        if self.student.text is None:
            raise InputError("evaluation", expected="a model with a text tower", got="one without")
        return self.student.text([prompt(name) for name in names]).cpu().numpy()

    def fields(self, scene: GaussianScene) -> dict[str, Field]:
        """student, points and random."""
        return {**self.worded(scene), "random": _field(self.random, scene, words=False)}

    def worded(self, scene: GaussianScene) -> dict[str, Field]:
        """student and points: what words are compared with."""
        found = {"student": _field(self.student, scene)}
        return found | ({"points": _field(self.points, scene)} if self.points is not None else {})

    def adaptation(self, scene: GaussianScene) -> dict[str, Field]:
        """before and after."""
        if self.adapted is None:
            raise InputError("adaptation", expected="an adapted encoder", got="none")
        return {"before": _field(self.student, scene), "after": _field(self.adapted, scene)}

    def robustness(self, scene: GaussianScene) -> dict[str, Field]:
        """noisy: the student's features of the scene with its centres moved at random, at the places of the true
        centres."""
        moved = _field(self.student, retrieval.perturbed(scene, sigma=NOISE, seed=self.seed), words=False)
        return {"noisy": Field(positions=scene.means.numpy(), probe=moved.probe)}


def _field(encoder: SceneEncoder, scene: GaussianScene, *, words: bool = True) -> Field:
    out = encoder.encode(scene, outputs=("lang", "upcast") if words else ("upcast",), progress=False)
    return Field(positions=scene.means.numpy(), lang=out.lang.numpy() if words else None, probe=out.upcast.numpy())


def lifted_field(scene: GaussianScene, targets: Path, views: Path) -> Field:
    """The language teacher's own features, lifted to the Gaussians, as the stored rows say them."""
    lifted = load_targets(targets, views, scene=scene)
    features = lifted.features("lang").numpy()
    return Field(positions=scene.means.numpy(), lang=features, valid=lifted.valid("lang").numpy(), probe=features)


def color_field(scene: GaussianScene) -> Field:
    """Base colour and nothing else."""
    return Field(positions=scene.means.numpy(), probe=scene.rgb.numpy())


def thinned(fields: Mapping[str, Field], keep: np.ndarray, *, rows: int, seed: int) -> dict[str, Field]:
    """At most ``rows`` of the rows to keep [N] bool, the same of every method, with probe features only."""
    chosen = np.flatnonzero(keep)
    chosen = chosen[sample_rows(len(chosen), rows, seed=seed)]
    return {
        method: Field(positions=field.positions[chosen], probe=field.frozen[chosen]) for method, field in fields.items()
    }
