"""``python -m benchmarks.claims run``, then ``page``."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

import tyro

from benchmarks.claims.declared import chosen, runs_of
from benchmarks.claims.runs import RUNS, Run, keep, kept
from benchmarks.claims.score import Bench, score
from chorus.device import device_of
from chorus.machine import cores, instruction_set
from chorus.recipes.models import hashes
from chorus.workspace import Workspace


def run(
    claims: tuple[str, ...] = (), quick: bool = False, seeds: tuple[int, ...] = (0, 1, 2), runs: Path = RUNS
) -> None:
    """Train and score what the claims need and has no figures yet; killed, the same command goes on.

    Args:
        claims: Letters of the claims, first what is wanted first; all when none is named.
        quick: A third of the steps.
        seeds: Of every training.
        runs: Where figures are kept.
    """
    workspace = Workspace.open()
    wanted = chosen(claims)
    planned = runs_of(wanted, workspace.params, quick=quick, seeds=seeds)
    todo = [each for each in planned if kept(each, workspace.params, runs) is None]
    print(f"{len(planned) - len(todo)} of {len(planned)} runs are in {runs} already", flush=True)
    bench = Bench(workspace)
    for number, each in enumerate(todo, 1):
        figures = _figures(bench, each)
        keep(each, workspace.params, figures, runs)
        print(f"{number} of {len(todo)}: {each.name}, {figures['seconds']['all']:.0f} s", flush=True)


def _figures(bench: Bench, each: Run) -> dict:
    workspace = bench.workspace
    wall, cpu = time.perf_counter(), time.process_time()
    found = score(bench, each)
    found["seconds"] |= {"all": round(time.perf_counter() - wall, 1), "cpu_all": round(time.process_time() - cpu, 1)}
    device = device_of(workspace.params.device)
    rooms = [*workspace.rooms(split="train", domain="main"), *bench.rooms("main"), *bench.rooms("second")]
    return {
        **found,
        "names": list(bench.names),
        "split": bench.split,
        "inputs": digest(hashes(workspace, rooms)),
        "machine": {"device": device.type, "cores": cores(), "instruction_set": instruction_set()},
    }


def digest(found: dict[str, str]) -> str:
    """One hash of what the rooms held."""
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]


if __name__ == "__main__":
    tyro.extras.subcommand_cli_from_dict({"run": run})
