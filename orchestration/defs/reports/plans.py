"""What makes the report."""

from pathlib import Path

from chorus.params import Params
from chorus.store import Store
from orchestration.defs.models.plans import hashes, ready
from orchestration.plan import Plan, hash_of, part_hash
from orchestration.scene_list import rooms


def evaluation(store: Store, params: Params) -> Plan:
    """Every figure, on homes nothing was trained on. The seconds it shows are no input: a rerun for them alone is not worth it."""
    held_out = ready(store, params, rooms(store, split="held_out", domain="main"))
    probe = ready(store, params, rooms(store, split="train", domain="main"))
    second = ready(store, params, rooms(store, split="held_out", domain="second"))
    every = [*held_out, *probe, *second]
    inputs = {"encoder": hash_of(store.model("encoder"), "models/encoder"), "adapted": hash_of(store.model("adapted"), "models/adapted_encoder")}
    inputs |= hashes(store, every) | {f"{name}/capture": part_hash(store, name, "capture") for name in every}
    return Plan(
        path=store.reports, stage="reports/evaluation", make=lambda out: _report(store, params, held_out, probe, second, out),
        params={"evaluate": params.evaluate, "withheld": params.teachers.withheld, "seed": params.seed}, inputs=inputs,
    )  # fmt: skip


def _report(store: Store, params: Params, held_out: list[str], probe: list[str], second: list[str], out: Path) -> None:
    from chorus.evaluate.collect import Rooms, collect
    from chorus.evaluate.report import write_report
    from orchestration.stages import seconds_by_stage

    chosen = Rooms(held_out=held_out, probe_train=probe, adaptation=second)
    write_report(out, collect(store, params, chosen, seconds=seconds_by_stage(store)), params.evaluate)
