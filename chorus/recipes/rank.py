"""A training's own process, or one of its ranks, over the workspace of CHORUS_ROOT:
``python -m chorus.recipes.rank (VARIANT OUT | adapted OUT BASE) ROOM ...``"""

import sys
from pathlib import Path

from chorus.recipes import models
from chorus.train.launch import as_job
from chorus.workspace import Workspace


def main() -> None:
    what, out, *names = sys.argv[1:]
    workspace = Workspace.open()
    if what == "adapted":
        models.adapt_splats(workspace, names[1:], Path(out), base=Path(names[0]))
    else:
        models.distill_variant(workspace, what, names, Path(out))


if __name__ == "__main__":
    as_job(main)
