"""Materialize assets from the command line, in the same Dagster instance the UI shows.

python -m orchestration.materialize ASSET [SCENE ...]     one asset; of some scenes, or of all
python -m orchestration.materialize --all                 the whole chain
python -m orchestration.materialize --all SCENE ...       everything that is made scene by scene, for these
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence

from chorus.errors import ChorusError, InputError
from chorus.names import one_of
from chorus.recipes.models import VARIANTS
from chorus.stages import EMBEDDED, PER_SCENE
from chorus.workspace import Workspace
from orchestration.recipes import catalog
from orchestration.run.progress import Progress
from orchestration.run.state import prepare_state

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """0: all done or nothing to do; 2: something the user can mend; 1: a defect."""
    options = _parser().parse_args(argv)
    try:
        phases = _phases(options)
        workspace = Workspace.open()
        prepare_state(workspace.store)
        scenes = (
            workspace.chosen(options.scenes) if any(asset in PER_SCENE for phase in phases for asset in phase) else []
        )
        return _run(workspace, phases, scenes, options)
    except ChorusError as error:
        print(f"chorus: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("chorus: interrupted; what was finished is kept, run the same command to go on", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m orchestration.materialize",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="ASSET SCENE", help=f"assets: {', '.join(catalog.ASSETS)}")
    parser.add_argument("--all", action="store_true", help="every asset, in order")
    parser.add_argument(
        "--jobs", type=int, default=min(2, os.cpu_count() or 1), help="worker processes (default: %(default)s)"
    )
    parser.add_argument(
        "--retrain", action="store_true", help="train the embedded teachers instead of taking the shipped weights"
    )
    parser.add_argument(
        "--force", action="store_true", help="make artifacts again even when nothing they are made from changed"
    )
    return parser


def _phases(options: argparse.Namespace) -> tuple[tuple[str, ...], ...]:
    options.scenes = options.names if options.all else options.names[1:]
    if options.jobs < 1:
        raise InputError("--jobs", expected="at least 1", got=options.jobs)
    if options.all:
        return tuple(phase for phase in catalog.PHASES if not options.scenes or phase[0] in (*PER_SCENE, EMBEDDED))
    if not options.names:
        raise InputError(
            "materialize", expected="an asset or --all", got="neither", fix=f"Assets: {', '.join(catalog.ASSETS)}."
        )
    asset = one_of(options.names[0], catalog.ASSETS, "asset")
    if options.scenes and asset not in PER_SCENE:
        raise InputError(asset, expected="no scene: there is one for all scenes", got=" ".join(options.scenes))
    return ((asset,),)


def _run(workspace: Workspace, phases, scenes: list[str], options: argparse.Namespace) -> int:
    from orchestration.run import history
    from orchestration.run.lost import mark_lost
    from orchestration.run.queue import Queue
    from orchestration.run.workers import Workers

    trainings = {name: workspace.store.training(name) for name in (*VARIANTS, "adapted", "embedded")}
    start, progress, failed, runs = time.perf_counter(), Progress(trainings), {}, 0
    mark_lost(history.instance())
    history.add_scenes(scenes)
    with Workers(options.jobs) as workers, progress:
        for phase in phases:
            jobs = _jobs(
                phase,
                [scene for scene in scenes if scene not in failed],
                Queue(retrain=options.retrain),
                failed,
                options.force,
            )
            for outcome in progress.follow(
                phase, jobs, workers.runs(jobs, force=options.force, retrain=options.retrain)
            ):
                runs += 1
                if outcome.error:
                    failed[outcome.scene] = outcome
            if None in failed or (scenes and len([s for s in failed if s]) == len(scenes)):
                break
    return progress.conclude(runs, failed, time.perf_counter() - start)


def _jobs(phase, scenes, queue, failed, force: bool) -> list:
    """(assets, scene) for every run this phase needs; scenes held back by an earlier failed check go to ``failed``."""
    from orchestration.run.one_run import Outcome

    jobs = []
    for scene in scenes if phase[0] in PER_SCENE else [None]:
        assets = phase if force else queue.remaining(phase, scene)
        blocker = queue.blocked_by(assets[0], scene) if assets and scene else ""
        if blocker:
            failed[scene] = Outcome(
                assets=assets,
                scene=scene,
                error=f"{blocker}: its check failed or was cut off; see it in the UI, mend and materialize it first",
            )
        elif assets:
            jobs.append((assets, scene))
    return jobs


if __name__ == "__main__":
    sys.exit(main())
