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
from chorus.store import Store, root_folder
from orchestration import stages
from orchestration.progress import Progress
from orchestration.resources import prepare_state
from orchestration.scene_list import chosen

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """0: all done or nothing to do; 2: something the user can mend; 1: a defect."""
    options = _parser().parse_args(argv)
    try:
        phases = _phases(options)
        store = Store(root_folder())
        prepare_state(store)
        scenes = (
            chosen(store, options.scenes)
            if any(asset in stages.PER_SCENE for phase in phases for asset in phase)
            else []
        )
        return _run(phases, scenes, options)
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
    parser.add_argument("names", nargs="*", metavar="ASSET SCENE", help=f"assets: {', '.join(stages.PLANS)}")
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
        return tuple(
            phase for phase in stages.PHASES if not options.scenes or phase[0] in (*stages.PER_SCENE, stages.EMBEDDED)
        )
    if not options.names:
        raise InputError(
            "materialize", expected="an asset or --all", got="neither", fix=f"Assets: {', '.join(stages.PLANS)}."
        )
    asset = one_of(options.names[0], stages.PLANS, "asset")
    if options.scenes and asset not in stages.PER_SCENE:
        raise InputError(asset, expected="no scene: there is one for all scenes", got=" ".join(options.scenes))
    return ((asset,),)


def _run(phases, scenes: list[str], options: argparse.Namespace) -> int:
    from orchestration import records
    from orchestration.crew import Crew
    from orchestration.todo import Todo

    start, progress, failed, runs = time.perf_counter(), Progress(), {}, 0
    records.add_scenes(scenes)
    with Crew(options.jobs) as crew, progress:
        for phase in phases:
            jobs = _jobs(
                phase,
                [scene for scene in scenes if scene not in failed],
                Todo(retrain=options.retrain),
                failed,
                options.force,
            )
            for outcome in progress.follow(phase, jobs, crew.work(jobs, force=options.force, retrain=options.retrain)):
                runs += 1
                if outcome.error:
                    failed[outcome.scene] = outcome
            if None in failed or (scenes and len([s for s in failed if s]) == len(scenes)):
                break
    return progress.conclude(runs, failed, time.perf_counter() - start)


def _jobs(phase, scenes, todo, failed, force: bool) -> list:
    """(assets, scene) for every run this phase needs; scenes held back by an earlier failed check go to ``failed``."""
    from orchestration.runner import Outcome

    jobs = []
    for scene in scenes if phase[0] in stages.PER_SCENE else [None]:
        assets = phase if force else todo.remaining(phase, scene)
        blocker = todo.blocked_by(assets[0], scene) if assets and scene else ""
        if blocker:
            failed[scene] = Outcome(
                assets=assets,
                scene=scene,
                error=f"{blocker}: its check failed; see it in the UI, mend and materialize it first",
            )
        elif assets:
            jobs.append((assets, scene))
    return jobs


if __name__ == "__main__":
    sys.exit(main())
