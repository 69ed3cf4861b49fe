"""What a backfill costs a scene where everything is up to date, as processor time of one process: the start of a run,
and every scene in it.

CHORUS_ROOT=WORKSPACE python -m benchmarks.backfill     of a workspace whose chain has run
"""

from __future__ import annotations

import time

import tyro

from chorus.errors import StoreError
from chorus.stages import PER_SCENE, TARGETS

BACKFILL = 200  # scenes, of the last line


def main(scenes: int = 30) -> None:
    """A batch of one scene, which imports everything, then one of so many."""
    start = time.process_time()
    from orchestration.defs.scenes.batch import MOST
    from orchestration.run import history

    names = [name for name in history.instance().get_dynamic_partitions("scenes") if name in history.settled(TARGETS)]
    if len(names) < 2:
        raise StoreError("CHORUS_ROOT", expected="a workspace whose chain has run", got=f"{len(names)} scenes")
    first, rest = names[0], names[1 : scenes + 1]
    _run([first])
    started = time.process_time() - start
    start = time.process_time()
    _run(rest)
    each = (time.process_time() - start) / len(rest)
    runs = -(-BACKFILL // MOST)
    print(f"{len(rest)} scenes, {', '.join(PER_SCENE)}, all up to date; seconds of one processor")
    print(f"{'start of a run':<40}{started - each:8.1f}")
    print(f"{'each scene in it':<40}{each:8.2f}")
    print(f"{f'each of {BACKFILL} scenes, in {runs} runs':<40}{each + runs * (started - each) / BACKFILL:8.2f}")


def _run(scenes: list[str]) -> None:
    """One batch, as a backfill asks for it. Raises StoreError where a scene fails."""
    from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

    from orchestration.keys import key
    from orchestration.run import history

    keys = [key(stage) for stage in PER_SCENE]
    job = history.repository().get_implicit_job_def_for_assets(keys)
    span = {ASSET_PARTITION_RANGE_START_TAG: scenes[0], ASSET_PARTITION_RANGE_END_TAG: scenes[-1]}
    result = job.execute_in_process(instance=history.instance(), asset_selection=keys, tags=span, raise_on_error=False)
    if not result.success:
        raise StoreError("the batch", expected="scenes that are up to date", got="one that failed: see above")


if __name__ == "__main__":
    tyro.cli(main)
