"""Verbs that score models, tell of them and pack them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import tyro

from chorus.errors import InputError
from chorus.verbs import opened
from chorus.verbs.options import Asked


def evaluate(
    *,
    split: Annotated[
        Literal["held_out", "validation"] | None, tyro.conf.arg(help="of the workspace's rooms; held_out when absent")
    ] = None,
    scenes: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR", help="labelled scenes of a benchmark instead (docs/benchmarks.md)")
    ] = None,
    labels: Annotated[
        Path | None, tyro.conf.arg(metavar="FILE", help="their class names, a line each, in the order they count in")
    ] = None,
    model: Annotated[Path | None, tyro.conf.arg(help="the model to score on a benchmark; as for chorus query")] = None,
    output: Annotated[
        Path | None, tyro.conf.arg(aliases=("-o",), metavar="FILE", help="also write a benchmark's figures as JSON")
    ] = None,
) -> None:
    """Measure the models on a split nothing was trained on: choices are made on validation, held_out is scored once a
    release. Or, with --scenes and --labels, one model on the scenes of a benchmark, by the published protocol."""
    if scenes is not None:
        return _benchmark(scenes, labels, split=split, model=model, output=output)
    given = {"--labels": labels, "--model": model, "--output": output}
    told = [name for name, value in given.items() if value is not None]
    if told:
        raise InputError(", ".join(told), expected="--scenes, the folder of a benchmark", got="none")
    from chorus.evaluate.table import print_table
    from chorus.recipes import chain

    print_table(chain.evaluate(opened.workspace(), split or "held_out"))


def _benchmark(
    scenes: Path, labels: Path | None, *, split: str | None, model: Path | None, output: Path | None
) -> None:
    from functools import partial

    from chorus.evaluate import benchmark
    from chorus.evaluate.benchmark_scenes import find_scenes, read_benchmark_scene, read_names

    if split is not None:
        raise InputError("--split", expected="rooms of the workspace", got=f"those of {scenes}")
    if labels is None:
        raise InputError("--scenes", expected="--labels, a file of their class names", got="none")
    names, folders = read_names(labels), find_scenes(scenes)
    encoders = {}

    def encoder_of(variant: str):
        encoders[variant] = opened.encoder(Asked(model=model), variant=variant)
        return encoders[variant]

    readers = [partial(read_benchmark_scene, folder, names) for folder in folders]
    tally, errors = benchmark.score(readers, names, encoder_of, neighbors=opened.workspace().params.evaluate.neighbors)
    read = sorted({role for encoder in encoders.values() for role in encoder.config.notes.get("labels_read", [])})
    print(benchmark.render(tally, labels_read=read))
    if output is not None:
        from chorus.json_files import write_json
        from chorus.store import atomic_file

        with atomic_file(output) as path:
            write_json(path, benchmark.record(tally, labels_read=read))
    if errors:
        print("\n".join(errors), file=sys.stderr)
        got = f"{len(errors)} that could not be read and are in no figure"
        raise InputError(scenes, expected=f"{len(folders)} scenes", got=got)


def report(
    *,
    markdown: Annotated[
        Path | None, tyro.conf.arg(help="also rewrite the results of a Markdown file, between its two marker lines")
    ] = None,
) -> None:
    """Print the result tables of data/reports/metrics.json."""
    from chorus.evaluate.markdown import update
    from chorus.evaluate.table import print_table

    folder = opened.workspace().store.report("held_out")
    print_table(folder)
    if markdown is not None:
        print(f"written: {', '.join(map(str, update(markdown, folder)))}")


def record(*, output: Annotated[Path, tyro.conf.arg(aliases=("-o",), metavar="FILE")]) -> None:
    """Write the trained encoder's figures on the validation rooms as small JSON, to be kept: parameters, recipes, seed,
    rooms, steps, seconds, kind of machine."""
    from chorus.json_files import write_json
    from chorus.recipes.record import record as made
    from chorus.store import atomic_file

    about = made(opened.workspace())
    with atomic_file(output) as path:
        write_json(path, about)
    print(f"{output}: {sum(about['rooms'].values())} rooms, seed {about['seed']}")


def export(
    *,
    output: Annotated[Path, tyro.conf.arg(aliases=("-o",))],
    note: Annotated[str, tyro.conf.arg(help="a line the card begins with")] = "",
    most: Annotated[float | None, tyro.conf.arg(metavar="MB", help="refuse larger weights")] = None,
) -> None:
    """Write the trained encoder as a small folder to pass on: half precision, its card, its figures, checksums. It
    must have been scored on the validation rooms."""
    from chorus.recipes.export import export as write

    sizes = write(opened.workspace(), output, note=note, most=most)
    print(f"{output}: {', '.join(f'{name} {size / 1e6:.2f} MB' for name, size in sorted(sizes.items()))}")
