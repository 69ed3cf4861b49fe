"""The folder of a fitted scene: scene.ply, metrics.json, contact_sheet.png and, for evaluation only, labels.npz."""

from __future__ import annotations

from pathlib import Path

from chorus.capture import Capture
from chorus.io import write_ply
from chorus.json_files import write_json
from chorus.splat.fit import FitResult
from chorus.splat.labels import GaussianLabels, label_gaussians, save_labels
from chorus.splat.pictures import contact_sheet, save_png


def save_gaussians(folder: Path, result: FitResult, capture: Capture) -> None:
    """Write a fit into an existing or new folder; equal fits give equal bytes."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_ply(folder / "scene.ply", result.scene)
    write_json(folder / "metrics.json", result.metrics)
    save_png(folder / "contact_sheet.png", contact_sheet(result.held_out))
    labels: GaussianLabels | None = label_gaussians(result.scene, capture)
    if labels is not None:
        save_labels(folder / "labels.npz", labels)
