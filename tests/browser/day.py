"""A small workspace for a day's work, of rooms of the homes that ``make demo`` fetched, and photos to drop into it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from chorus.capture import Capture
from chorus.workspace import Workspace
from tests.unit.sources.test_real_folders import write_photos

ROOT = Path(__file__).parents[2]
HOMES = Path(os.environ.get("CHORUS_HOMES") or ROOT / "data" / "homes")
# id: home, room, split, domain
ROOMS = {
    "living": ("2BedroomApartment", 1, "train", "main"),
    "kitchen": ("2BedroomApartment", 6, "train", "main"),
    "studio": ("Studio", 2, "held_out", "main"),
    "attic": ("3BedroomHouseWithAttic", 8, "validation", "main"),
    "evening": ("3BedroomApartment", 3, "train", "second"),
    "dining": ("2BedroomApartmentWithBowWindow", 1, "held_out", "second"),
    "office": ("3BedroomHouseWithMezzanine", 6, "validation", "second"),
}
NEW = {
    "new-bedroom": ("1BedroomApartmentWithRoundWall", 0, "train", "main"),
    "new-living": ("3BedroomApartment", 3, "train", "main"),
}
GUEST = ("2BedroomApartment", 0, "train", "main")  # the room that photos are taken of
OVERLAY = {
    "capture": {"views": 12, "width": 128, "height": 96, "photo_long_side": 128},
    "fit": {"max_gaussians": 4000, "iterations": 80, "max_gaussians_real": 6000, "iterations_real": 700},
    "teachers": {"train_steps": 4},
    "distill": {"steps": 6, "points": 512, "log_every": 1, "checkpoint_every": 5},
    "adapt": {"steps": 6, "log_every": 1},
    "evaluate": {
        "neighbors": 5,
        "probe_steps": 10,
        "probe_rows": 200,
        "chance_seeds": 2,
        "bootstrap": 10,
        "truth_grid": 0.1,
    },
}


class Day:
    """A project folder. root: where it lies."""

    def __init__(self, root: Path):
        self.root = root
        self.overlay = root / "day.yaml"

    def lay_out(self) -> None:
        """params.yaml, its overlay, the scenes and the homes; nothing made yet."""
        shutil.copyfile(ROOT / "params.yaml", self.root / "params.yaml")
        (self.root / "data" / "incoming").mkdir(parents=True)
        self.set(**OVERLAY)
        (self.root / "data" / "homes").symlink_to(HOMES.resolve(), target_is_directory=True)
        self.list_rooms(ROOMS)

    def set(self, **overlay: dict) -> None:
        """Lay these parameters over params.yaml, beside what was laid over it before."""
        before = yaml.safe_load(self.overlay.read_text()) if self.overlay.exists() else {}
        merged = {**before, **{group: {**before.get(group, {}), **values} for group, values in overlay.items()}}
        self.overlay.write_text(yaml.safe_dump(merged))

    def list_rooms(self, rooms: dict) -> None:
        """data/scenes.yaml with these rooms."""
        entries = [self._entry(name, seed, *room) for seed, (name, room) in enumerate(rooms.items(), 1)]
        furniture = {"train": ["Scopia"]}
        self.scenes.write_text(yaml.safe_dump({"furniture": furniture, "scenes": entries}, sort_keys=False))

    @property
    def scenes(self) -> Path:
        return self.root / "data" / "scenes.yaml"

    def _entry(self, name: str, seed: int, home: str, room: int, split: str, domain: str) -> dict:
        where = {"home": home, "room": room}
        light = "evening" if domain == "second" else "day"
        return {
            "id": name,
            **where,
            "furniture": "train",
            "light": light,
            "split": split,
            "domain": domain,
            "seed": seed,
        }

    @property
    def environment(self) -> dict[str, str]:
        """Of every process that works here."""
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        own = {"CHORUS_ROOT": str(self.root), "CHORUS_PARAMS": str(self.overlay), "PYTHONPATH": path}
        return {**os.environ, **own, "DAGSTER_HOME": "", "MLFLOW_TRACKING_URI": ""}

    def command(self, *argv: str) -> subprocess.CompletedProcess:
        """python ARGV in the project folder; its output as text."""
        return subprocess.run(
            [sys.executable, *argv], cwd=self.root, env=self.environment, capture_output=True, text=True
        )

    def photos(self) -> Capture:
        """A dozen views of a room that is not listed, as a visitor's photos."""
        from chorus.recipes import scenes

        aside = Day(self.root / "aside")
        if not aside.root.exists():
            aside.root.mkdir()
            aside.lay_out()
            aside.set(capture={"views": 24, "width": 160, "height": 120})
            aside.list_rooms({"guest": GUEST})
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CHORUS_PARAMS", str(aside.overlay))
            return Capture.load(scenes.capture(Workspace.open(aside.root), "guest").run().path)

    def drop(self, name: str, *, overexposed: bool = False) -> Path:
        """A folder of photos with their poses under data/incoming; overexposed: nothing is to be seen in them."""
        photos = self.photos()
        images = np.full_like(photos.images, 255) if overexposed else photos.images
        folder = self.root / "data" / "incoming" / name
        shutil.rmtree(folder, ignore_errors=True)
        made = write_photos(self.root / f".{name}", Capture(images=images, cameras=photos.cameras))
        made.rename(folder)
        return folder
