"""What verbs open: the workspace, a scene, a model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from chorus.errors import MissingError
from chorus.verbs.options import UNSAID, Asked, Frame

if TYPE_CHECKING:
    from chorus.scene import GaussianScene
    from chorus.view.named import NamedScene
    from chorus.workspace import Workspace


def workspace() -> Workspace:
    """That of CHORUS_ROOT, else of the working directory. Raises ParamsError."""
    from chorus.workspace import Workspace

    return Workspace.open()


def scene(name: str, frame: Frame = UNSAID) -> NamedScene:
    """A file of splats, a fitted scene, or the sample."""
    from chorus.store import Store, root_folder
    from chorus.view.named import open_scene

    return open_scene(name, Store(root_folder()), up=frame.up, scale=frame.scale, unit=frame.unit)


def say(scene: GaussianScene) -> None:
    """What reading a file left out, and how up and unit were found, on stderr."""
    if scene.report.total:
        from chorus.axes import said

        print("\n".join([*scene.report.notes, said(scene.frame)]), file=sys.stderr)


def encoder(asked: Asked, *, variant: str = "splats"):
    """The model to ask, as :func:`which_model` says; a line on stderr tells of one that was not named. An adapter is
    folded into it."""
    import chorus

    here = workspace()
    folder, line = which_model(asked.model, here)
    found = chorus.load(folder, variant=variant, device=here.params.device, adapter=asked.adapter)
    print(line, end="", file=sys.stderr)
    return found


def which_model(folder: Path | None, workspace: Workspace) -> tuple[Path, str]:
    """The folder of the model named, else of what the workspace trained, else of what ships; and in the last two cases
    a line that says which. Raises MissingError where the folder named holds none."""
    import chorus
    from chorus.encoder.shipped import shipped_model

    if folder is not None:
        if not _holds_model(folder):
            got = "a folder without config.json" if folder.is_dir() else "nothing there"
            fix = "Name another, or leave --model out."
            raise MissingError(folder, expected="a trained encoder's folder", got=got, fix=fix)
        return folder, ""
    trained = workspace.store.model("encoder")
    own = _holds_model(trained)
    which = f"this workspace's, {trained}" if own else f"the one that ships with chorus {chorus.__version__}"
    return trained if own else shipped_model(), f"model: {which}\n"


def _holds_model(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("config.json", "splats/config.json"))
