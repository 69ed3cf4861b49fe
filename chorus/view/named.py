"""What a user names: a file of splats, or a scene of the workspace, with its capture where there is one."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from chorus.capture import Capture
from chorus.encoder.shipped import SAMPLE_NAME
from chorus.errors import InputError
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
        """Of lengths: m, or units where nothing says what they are."""
        return self.gaussians.frame.label


def open_scene(
    name: str, store: Store, *, up: str | None = None, scale: float | None = None, unit: str | None = None
) -> NamedScene:
    """The Gaussians of a file, a folder, a fitted scene of the workspace, or the room that ships, by the name sample.

    A scene of the workspace comes before a folder that happens to be called the same, and both before the sample. up,
    scale, unit: of a file, as chorus.read takes them. Raises InputError for a file that cannot be read, StoreError with
    the nearest name for a scene that is not there.
    """
    path = Path(name)
    if path.suffix or os.sep in name or (path.exists() and name not in store.scenes_with("gaussians")):
        from chorus.encoder.read import read  # here: which way a scene of the workspace is up is known

        return NamedScene(_stem(path), read(path, up=up, scale=scale, unit=unit), None)
    if (up, scale, unit) != (None, None, None):
        raise InputError(name, expected="--up, --scale and --unit for a file", got="a scene whose frame is known")
    if name == SAMPLE_NAME and name not in store.scenes_with("gaussians"):
        from chorus.encoder.read import sample

        return NamedScene(name, sample(), None)
    store.require(name, "gaussians")
    folder = store.scene(name, "capture")
    capture = Capture.load(folder) if folder.is_dir() else None
    gaussians = read_scene(store.scene(name, "gaussians")).validate(name)
    if capture is not None:
        gaussians = replace(gaussians, frame=capture.frame.upright())
    return NamedScene(name, gaussians, capture)


def _stem(path: Path) -> str:
    return path.name.removesuffix(path.suffix).removesuffix(".compressed") or path.resolve().name
