"""A trained encoder as a small folder to pass on: half precision, a card, checksums. What ships is made so."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from chorus.encoder.checkpoint import WEIGHTS, load_model, save_model
from chorus.encoder.compact import compact
from chorus.errors import InputError
from chorus.json_files import read_json, write_json
from chorus.recipes import needs
from chorus.recipes.card import card
from chorus.recipes.models import VARIANTS
from chorus.recipes.record import record
from chorus.stages import CAPTURE, ENCODER
from chorus.store import MANIFEST, atomic_folder, hash_files
from chorus.workspace import Workspace

RECORD, CARD = "run.json", "README.md"


def export(workspace: Workspace, out: Path, *, note: str = "", most: float | None = None) -> dict[str, int]:
    """Write splats/, points/ (model.safetensors, config.json), run.json, README.md and manifest.json into ``out``.

    note: a line the card begins with; most: megabytes the weights may take together. Returns file -> bytes of the
    weights. Raises what :func:`chorus.recipes.record.record` raises, InputError for weights larger than allowed.
    """
    about, source = record(workspace), workspace.store.artifact(ENCODER)
    needs.of_export(source, out)
    with atomic_folder(out) as folder:
        for variant in VARIANTS:
            save_model(compact(load_model(source / variant)), folder / variant)
        sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob(WEIGHTS)}
        if most is not None and sum(sizes.values()) > most * 1e6:
            total = f"{sum(sizes.values()) / 1e6:.1f} MB"
            fix = "Train a smaller preset, or export it elsewhere: chorus export -o DIR."
            raise InputError(out, expected=f"weights of {most:g} MB at most", got=total, fix=fix)
        write_json(folder / RECORD, about)
        (folder / CARD).write_text(card(about, models=_drawn(workspace, source), note=note))
        write_json(folder / MANIFEST, {"files": hash_files(folder)})
    return sizes


def _drawn(workspace: Workspace, encoder: Path) -> dict[str, int]:
    """Furniture model -> how often it stands in the rooms trained on."""
    total: Counter[str] = Counter()
    for name in read_json(encoder / VARIANTS[0] / "config.json")["notes"]["scenes"]:
        capture = workspace.store.artifact(CAPTURE, name) / "cameras.json"
        total.update(read_json(capture, fix="Make that capture again.")["info"].get("models", {}))
    return dict(total)
