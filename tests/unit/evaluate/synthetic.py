"""Small rooms made of boxes, with features whose figures are known beforehand."""

import numpy as np
import torch

from chorus.evaluate.inputs import Field, ReportInputs, Room
from chorus.evaluate.points import TruthPoints
from chorus.scene import scene_from_colors

NAMES = ("wall", "floor", "chair", "table", "piano")
COLORS = np.array([[0.8, 0.8, 0.7], [0.5, 0.4, 0.3], [0.8, 0.1, 0.1], [0.1, 0.6, 0.2], [0.1, 0.1, 0.1]])
WIDTH = 16


def text(seed=0):
    """[T, C] unit embeddings of the names."""
    rows = np.random.default_rng([seed, 99]).normal(size=(len(NAMES), WIDTH))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _cloud(rng, count=700):
    """Positions and classes of a 3 x 2.5 x 2 m room with three pieces of furniture."""
    semantic = rng.choice(len(NAMES), count, p=[0.35, 0.3, 0.15, 0.1, 0.1])
    positions = rng.random((count, 3)) * [3, 2.5, 0.02]
    wall = semantic == 0
    positions[wall] = np.stack(
        [rng.random(wall.sum()) * 3, np.full(wall.sum(), 2.5), rng.random(wall.sum()) * 2], axis=1
    )
    for c, corner in ((2, (0.4, 0.4, 0)), (3, (1.6, 0.5, 0)), (4, (2.4, 1.6, 0))):
        positions[semantic == c] = np.array(corner) + rng.random(((semantic == c).sum(), 3)) * 0.45
    return positions.astype(np.float32), semantic


def _scene(positions, semantic):
    n = len(positions)
    quats = torch.tensor([[1.0, 0, 0, 0]]).expand(n, 4)
    colors = torch.tensor(COLORS[semantic], dtype=torch.float32)
    return scene_from_colors(torch.tensor(positions), quats, torch.full((n, 3), 0.04), torch.full((n,), 0.9), colors)


def room(name, seed, *, noise=None, pictures=True):
    """A room whose lifted, student and points features are the class's text plus growing noise."""
    rng = np.random.default_rng(seed)
    positions, semantic = _cloud(rng)
    truth = TruthPoints(positions=positions + 0.001, semantic=semantic, instance=np.where(semantic > 1, semantic, 0))
    clean = text()[semantic]
    noise = noise or {"lifted": 0.15, "student": 0.3, "points": 0.35, "before": 0.6, "after": 0.3, "noisy": 0.2}
    fields = {}
    for method, sigma in noise.items():
        features = clean + sigma * rng.normal(size=clean.shape)
        fields[method] = Field(
            positions=positions,
            lang=features,
            probe=features,
            valid=rng.random(len(positions)) < 0.95 if method == "lifted" else None,
        )
    fields["random"] = Field(positions=positions, probe=rng.normal(size=clean.shape))
    fields["color_only"] = Field(
        positions=positions, probe=COLORS[semantic] + 0.3 * rng.normal(size=(len(semantic), 3))
    )
    return Room(
        name=name,
        truth=truth,
        fields=fields,
        gaussians=_scene(positions, semantic) if pictures else None,
        info={"home": name[:3]},
    )


def inputs(**changes) -> ReportInputs:
    fields = {
        "names": NAMES,
        "text": text(),
        "taught": NAMES[:4],
        "withheld": ("piano",),
        "test": (room("one_kitchen", 1), room("two_bath", 2, pictures=False)),
        "probe_train": tuple(room(f"train{i}", 10 + i, pictures=False) for i in range(3)),
        "adaptation": (room("other_den", 20, pictures=False), room("mother_hall", 21, pictures=False)),
        "validation": (room("val_den", 30, pictures=False), room("wal_den", 31, pictures=False)),
        "validation_adaptation": (room("val_hall", 32, pictures=False),),
        "fit": {
            "one_kitchen": {"psnr_blind_heldout": 25.0, "psnr_raw_heldout": 24.5},
            "two_bath": {"psnr_blind_heldout": 24.0, "psnr_raw_heldout": 22.5},
            "train0": {"psnr_blind_heldout": 29.0, "psnr_raw_heldout": 20.0},
            "other_den": {"psnr_blind_train": 40.0},
        },
        "storage": {"targets_bytes": 1_000, "naive_bytes": 90_000, "rows_cosine": 0.996},
        "seconds": {"capture": 12.34, "gaussians": 60.0, "encoder": 30.0},
        "teachers": {
            "rooms": 2,
            "lang": {"miou": 30.0, "f_miou": 25.0, "seen_f_miou": 26.0, "withheld_f_miou": None, "accuracy": 70.0},
        },
        "provenance": {"models/encoder": "ab" * 32, "targets of one_kitchen": "cd" * 32},
        "settings": {"seed": 0, "distill.steps": 900},
        **changes,
    }
    return ReportInputs(**fields)
