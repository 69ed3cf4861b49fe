"""What a user names: a file of splats, or a scene of the workspace, with its capture where there is one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from chorus.capture import Capture
from chorus.io import read_scene
from chorus.scene import GaussianScene
from chorus.store import Store


@dataclass(frozen=True)
class NamedScene:
    """name: for files made of it; capture: None of a file."""

    name: str
    gaussians: GaussianScene
    capture: Capture | None

    @property
    def unit(self) -> str:
        """Of lengths: m, or units where the capture does not know its scale."""
        return "m" if self.capture is None else self.capture.frame.label


def open_scene(name: str, store: Store) -> NamedScene:
    """The Gaussians of a file, a folder or a fitted scene of the workspace.

    A scene of the workspace comes before a folder that happens to be called the same. Raises InputError for a file that
    cannot be read, StoreError with the nearest name for a scene that is not there.
    """
    path = Path(name)
    if path.suffix or os.sep in name or (path.exists() and name not in store.scenes_with("gaussians")):
        return NamedScene(path.stem, read_scene(path).validate(name), None)
    store.require(name, "gaussians")
    folder = store.scene(name, "capture")
    capture = Capture.load(folder) if folder.is_dir() else None
    return NamedScene(name, read_scene(store.scene(name, "gaussians")).validate(name), capture)
