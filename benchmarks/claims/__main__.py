"""``python -m benchmarks.claims run``, then ``page``."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import tyro

from benchmarks.claims.declared import chosen, runs_of
from benchmarks.claims.page import PAGE, write
from benchmarks.claims.runs import ROOT, RUNS, Run, keep, kept
from benchmarks.claims.score import Bench, score
from benchmarks.claims.storage import FILE, measure, sentence
from benchmarks.claims.train import generated_rooms, make_generated_rooms
from chorus.device import device_of
from chorus.errors import ChorusError, InputError, MissingError, StoreError
from chorus.json_files import write_json
from chorus.machine import cores, instruction_set
from chorus.params import load_params
from chorus.recipes.models import hashes, ready
from chorus.store import atomic_file, plain
from chorus.workspace import Workspace


def run(
    claims: tuple[str, ...] = (),
    quick: bool = False,
    seeds: tuple[int, ...] = (0, 1, 2),
    split: Literal["validation", "held_out"] = "validation",
    runs: Path = RUNS,
) -> None:
    """Train and score what the claims need and has no figures yet; killed, the same command goes on.

    Args:
        claims: Letters of the claims, first what is wanted first; all when none is named.
        quick: A third of the steps.
        seeds: Of every training.
        split: Rooms that are scored; held_out for a release, once, into another folder of runs.
        runs: Where figures are kept.
    """
    if split == "held_out" and runs == RUNS:
        raise InputError("--split held_out", expected="--runs with a folder of its own", got="that of the validation")
    workspace = Workspace.open()
    wanted = chosen(claims)
    planned = runs_of(wanted, workspace.params, quick=quick, seeds=seeds)
    todo = [each for each in planned if kept(each, workspace.params, runs) is None]
    print(f"{len(planned) - len(todo)} of {len(planned)} runs are in {runs} already", flush=True)
    if todo and (absent := _absent(workspace)):
        print(f"{len(todo)} runs are left out: {absent}", file=sys.stderr)  # a fresh clone still makes the page
        return
    if any(each.encoder.reads_generated for each in todo):
        make_generated_rooms(workspace)
    bench = Bench(workspace, split)
    failed = []
    for number, each in enumerate(todo, 1):
        try:
            figures = _figures(bench, each)
        except (InputError, MissingError, StoreError) as error:
            failed.append(each.name)
            print(f"{number} of {len(todo)}: {each.name}: {error}", file=sys.stderr, flush=True)
            continue
        keep(each, workspace.params, figures, runs)
        print(f"{number} of {len(todo)}: {each.name}, {figures['seconds']['all']:.0f} s", flush=True)
    if failed:
        raise StoreError(runs, expected=f"figures of {len(todo)} runs", got=f"none of {', '.join(failed)}")


def _absent(workspace: Workspace) -> str:
    """What of the rooms to train on is not here; empty where they are."""
    try:
        ready(workspace, workspace.rooms(split="train", domain="main"))
    except StoreError as error:
        return str(error)
    return ""


def page(seeds: tuple[int, ...] = (0, 1, 2), runs: Path = RUNS, out: Path = PAGE) -> None:
    """Write docs/claims.md and its figures from what lies in docs/runs: seconds.

    Args:
        seeds: Those that count.
        runs: Where figures are kept.
        out: The page.
    """
    for letter, verdict in sorted(write(load_params(ROOT / "params.yaml"), seeds=seeds, runs=runs, page=out).items()):
        print(f"{letter}: {verdict}")
    print(out)


def storage(out: Path = FILE) -> None:
    """Measure what a new domain costs lifted and adapted to, for claim g: a minute.

    Args:
        out: Where the figures are kept.
    """
    found = measure(Workspace.open())
    with atomic_file(out) as path:
        write_json(path, found)
    print(sentence(found))


def _figures(bench: Bench, each: Run) -> dict:
    workspace = bench.workspace
    wall, cpu = time.perf_counter(), time.process_time()
    found = score(bench, each)
    found["seconds"] |= {"all": round(time.perf_counter() - wall, 1), "cpu_all": round(time.process_time() - cpu, 1)}
    device = device_of(workspace.params.device)
    rooms = [*workspace.rooms(split="train", domain="main"), *bench.rooms("main"), *bench.rooms("second")]
    if each.encoder.reads_generated:
        own = generated_rooms(workspace)
        found["generated"] = digest(hashes(own, ready(own, own.rooms(split="train", domain="main"))))
    return {
        **found,
        "names": list(bench.names),
        "split": bench.split,
        "rooms": digest(_made_from(workspace, rooms)),
        "inputs": digest(hashes(workspace, rooms)),
        "machine": {"device": device.type, "cores": cores(), "instruction_set": instruction_set()},
    }


def _made_from(workspace: Workspace, rooms: Sequence[str]) -> dict:
    """What decides what the rooms hold, but for the rounding of a kind of machine: runs of two kinds are comparable."""
    listed, params = workspace.listed(), workspace.params
    read = {name: getattr(params, name) for name in ("seed", "capture", "fit", "teachers", "targets")}
    return plain({"rooms": {name: asdict(listed[name]) for name in rooms}, "params": read})


def digest(found: dict) -> str:
    """One hash of it all."""
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]


if __name__ == "__main__":
    try:
        tyro.extras.subcommand_cli_from_dict({"run": run, "storage": storage, "page": page})
    except ChorusError as error:
        print(f"claims: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
