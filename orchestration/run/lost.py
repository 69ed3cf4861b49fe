"""Runs whose process was killed: nobody else would ever say that they ended.

Every run bears the process that works on it as a tag. Who starts next marks those as failed whose process is gone.
"""

from __future__ import annotations

import dagster as dg
from dagster._core.storage.dagster_run import DagsterRunStatus

from chorus.train.processes import is_gone
from orchestration.workspace import PROCESS

_UNFINISHED = [
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


def mark_lost(instance: dg.DagsterInstance, *, unbegun: bool = False) -> list[str]:
    """Mark the runs as failed whose process on this machine is gone; their ids.

    unbegun: those too that no process has begun on, which only the one who would start them may say.
    """
    lost = []
    for run in instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED)):
        begun, _, process = run.tags.get(PROCESS, "").partition(" ")
        if is_gone(process) if begun == run.run_id else unbegun:
            instance.report_run_failed(run, "Its process was killed. Materialize again: what was finished is kept.")
            lost.append(run.run_id)
    return lost
