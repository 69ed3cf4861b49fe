"""What makes the report."""

import dataclasses
from pathlib import Path

from chorus.evaluate.rooms import Rooms
from chorus.params import Params
from chorus.store import Store
from orchestration.defs.models.plans import hashes, ready
from orchestration.plan import Plan, hash_of, part_hash
from orchestration.scene_list import specs


def evaluation(store: Store, params: Params) -> Plan:
    """Every figure, on homes nothing was trained on. The seconds it shows are no input: a rerun for them alone is not
    worth it."""
    listed = Rooms.listed(specs(store).values())
    groups = dataclasses.replace(
        listed, probe_train=ready(store, params, listed.probe_train), adapted_on=ready(store, params, listed.adapted_on)
    )
    every = groups.every()
    inputs = {
        "encoder": hash_of(store.model("encoder"), "models/encoder"),
        "adapted": hash_of(store.model("adapted"), "models/adapted_encoder"),
    }
    inputs |= hashes(store, every) | {f"{name}/capture": part_hash(store, name, "capture") for name in every}
    return Plan(
        path=store.reports,
        stage="reports/evaluation",
        make=lambda out: _report(store, params, groups, out),
        params={"evaluate": params.evaluate, "withheld": params.teachers.withheld, "seed": params.seed},
        inputs=inputs,
        recipe=3,
    )


def _report(store: Store, params: Params, groups: Rooms, out: Path) -> None:
    from chorus.evaluate.collect import collect
    from chorus.evaluate.report import write_report
    from orchestration.stages import seconds_by_stage

    write_report(out, collect(store, params, groups, seconds=seconds_by_stage(store)), params.evaluate)
