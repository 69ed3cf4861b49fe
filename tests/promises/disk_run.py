"""Make a scene's capture and Gaussians while the disk fills up or fails at chosen writes; prints a JSON object.

python -m tests.promises.disk_run ROOT ERRNO TRIES SEED, with the shim preloaded. For each stage and try: the stage is
forced and fails in one line, what was there before is whole; in the end it is made again, to the same hash.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import sys
from pathlib import Path
from random import Random

from chorus.errors import StoreError
from chorus.recipes import scenes
from chorus.recipes.recipe import Recipe
from chorus.store import hash_files, manifest_of
from chorus.workspace import Workspace

_shim = ctypes.CDLL(None)


def main(root: Path, number: int, tries: int, seed: int) -> dict:
    os.environ["DISK_ERROR"], draw = str(number), Random(seed)
    workspace, told = Workspace.open(root), {}
    for stage in (scenes.capture, scenes.gaussians):
        recipe = stage(workspace, "room")
        made = recipe.run()
        calls = _counted(recipe)
        moments = sorted(draw.sample(range(1, calls + 1), min(tries, calls)))
        refused = sum(_refused(recipe, moment, made.hash) for moment in moments)
        again = recipe.run(force=True)
        left = [path.name for path in recipe.path.parent.iterdir() if path != recipe.path]
        told[recipe.stage] = {"calls": calls, "tries": len(moments), "refused": refused, "left": left}
        told[recipe.stage]["same"] = again.hash == made.hash and _whole(recipe, made.hash)
    return told


def _counted(recipe: Recipe) -> int:
    """How many calls to the disk the stage takes."""
    _shim.disk_from_here()
    recipe.run(force=True)
    return int(_shim.disk_calls())


def _refused(recipe: Recipe, moment: int, made: str) -> bool:
    """Whether the stage ended in a line when the disk gave up at this call; the last ones only remove what is old.
    Raises whatever else it ends in, and SystemExit where the old artifact is not whole."""
    _shim.disk_from_here()
    os.environ["DISK_AT"] = str(moment)
    try:
        recipe.run(force=True)
        said = ""
    except StoreError as error:
        said = str(error)
    finally:
        del os.environ["DISK_AT"]
    if "\n" in said or not _whole(recipe, made):
        raise SystemExit(f"{recipe.stage}, call {moment}: {said or 'the artifact is not whole'}")
    return bool(said)


def _whole(recipe: Recipe, made: str) -> bool:
    manifest = manifest_of(recipe.path)
    return manifest["hash"] == made and hash_files(recipe.path) == manifest["files"]


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), getattr(errno, sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
