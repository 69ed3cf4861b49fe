"""Verbs that make models, from teachers to adapted encoders."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from chorus.errors import InputError, StoreError
from chorus.verbs import opened
from chorus.verbs.options import Model, Ranks

if TYPE_CHECKING:
    from chorus.store import Artifact


def teach(
    scenes: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SCENE")] = (),
    *,
    retrain: bool = False,
    jobs: int = 2,
) -> None:
    """Let the teachers look at scenes (all of them when none is named) and lift what they see; captures and fits that
    are missing are made first. --retrain trains the embedded teachers instead of taking the shipped ones."""
    from chorus.recipes import chain

    if jobs < 1:
        raise InputError("--jobs", expected="at least 1", got=jobs)
    workspace = opened.workspace()
    failed = chain.teach(workspace, scenes, retrain=retrain, jobs=jobs)
    done = len(workspace.chosen(scenes)) - len(failed)
    print(f"{done} scene{'' if done == 1 else 's'} with targets")
    if failed:
        raise StoreError("teach", expected="targets of every scene", got=f"none of {', '.join(sorted(failed))}")


def distill(*, nproc: Ranks = None) -> None:
    """Distil the teachers' targets of the training rooms into an encoder, of splats and of points. A run that was
    stopped or killed goes on from its checkpoint."""
    from chorus.recipes import chain

    _made("encoder", chain.distill(opened.workspace(), ranks=nproc))


def shard(
    address: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="ADDRESS")],
    *,
    scenes: Annotated[int, tyro.conf.arg(help="in a shard")] = 50,
) -> None:
    """Write what distillation reads of the training rooms as shards, to a folder or s3://BUCKET/PREFIX: for more rooms
    than a machine's disk holds. Then: CHORUS_SHARDS=ADDRESS chorus distill."""
    from chorus.recipes import models

    index = models.shard(opened.workspace(), address, each=scenes)
    size = sum(shard.bytes for shard in index.shards)
    print(f"{address}: {len(index.names)} scenes in {len(index.shards)} shards, {size / 1e9:.3g} GB")


def adapt(
    scenes: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SCENE")] = (),
    *,
    output: Annotated[
        Path | None, tyro.conf.arg(aliases=("-o",), metavar="DIR", help="of the adapted model, and its adapter")
    ] = None,
    model: Model = None,
    tune: Annotated[
        Literal["lora", "heads", "last", "all"] | None,
        tyro.conf.arg(help="what learns; lora when absent: heads, and an adapter that --adapter takes"),
    ] = None,
    nproc: Ranks = None,
) -> None:
    """Adapt a model to scenes of your own by render-and-distill, without labels: teachers look at views of them, and
    what they lack (captures, fits, targets) is made first. Without scenes, the workspace's encoder to the second
    domain's training rooms. A run that was stopped or killed goes on from its checkpoint."""
    from chorus.recipes import chain

    workspace = opened.workspace()
    if not scenes:
        given = {"--output": output, "--model": model, "--tune": tune}
        if told := [name for name, value in given.items() if value is not None]:
            raise InputError(", ".join(told), expected="names of scenes to adapt to", got="none")
        return _made("adapted encoder", chain.adapt(workspace, ranks=nproc))
    if output is None:
        raise InputError("adapt", expected="-o, a folder for the adapted model", got="none")
    from chorus.encoder.encode import model_folder

    folder, line = opened.which_model(model, workspace)
    base, tune = model_folder(folder, variant="splats"), tune or "lora"
    print(line, end="", file=sys.stderr)
    chain.adapt_to(workspace, scenes, output, base=base, tune=tune, ranks=nproc)
    beside = f"--model {model} " if model is not None else ""
    how = f"{beside}--adapter {output / 'adapter'}" if tune == "lora" else f"--model {output}"
    print(f'{output}: adapted to {", ".join(scenes)}; ask with: chorus query {scenes[0]} "a chair" {how}')


def _made(what: str, artifact: Artifact) -> None:
    from chorus.train.world import started

    if not started().writes:
        return
    print(f"{what}: {'trained' if artifact.fresh else 'already there'}, {artifact.path}")


def trial(
    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="DIR")],
    *,
    designed: Annotated[
        int | None, tyro.conf.arg(help="rooms of designed homes; beyond the last, furnished anew; all when absent")
    ] = None,
    generated: Annotated[int, tyro.conf.arg(help="rooms of homes drawn by a program")] = 0,
    seed: Annotated[int, tyro.conf.arg(help="of the drawn homes")] = 0,
    held_out: Annotated[bool, tyro.conf.arg(help="list the held-out rooms too, to score a release")] = False,
) -> None:
    """Lay out a workspace of its own for a training on other rooms: the parameters as they stand here, the same homes,
    the validation rooms as judges. Then: cd DIR; chorus teach; chorus distill; chorus evaluate --split validation."""
    from chorus.recipes.trial import lay_out

    laid = lay_out(opened.workspace(), folder, designed=designed, generated=generated, seed=seed, held_out=held_out)
    train, judges, last = (len(laid.rooms(split=split, domain="main")) for split in ("train", "validation", "held_out"))
    print(f"{folder}: {train} rooms to train on, {judges} to judge by{f', {last} held out' if last else ''}")


def teachers(
    action: Annotated[Literal["list", "pull"], tyro.conf.Positional],
    names: Annotated[tuple[str, ...], tyro.conf.Positional] = (),
    *,
    dir: Path | None = None,
) -> None:
    """List the foundation teachers (what is here, size, licence, which preset needs it), or pull some by name, hub id
    or open_clip MODEL:TAG."""
    from chorus.teachers.foundation import list_teachers, pull

    workspace = opened.workspace()
    store, params = workspace.store, workspace.params
    folder = dir or store.root / params.teachers.dir
    if action == "pull":
        if not names:
            raise InputError(
                "teachers pull", expected="names of teachers", got="none", fix="See `chorus teachers list`."
            )
        pull(list(names), folder)
    print(f"{'':7} {'name':15} {'size':>9}  {'license':34} {'roles':19} presets that need it")
    for row in list_teachers(folder):
        state = ("changed" if row.intact is False else "here") if row.here else "-"
        license = row.license + (", gated" if row.gated else "")
        print(
            f"{state:7} {row.name:15} {row.megabytes:6.0f} MB  {license:34} {', '.join(row.roles):19} "
            f"{', '.join(row.presets) or '-'}"
        )


def import_checkpoint(
    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")],
    *,
    output: Annotated[Path, tyro.conf.arg(aliases=("-o",))],
) -> None:
    """Turn a released .pth checkpoint into model.safetensors and config.json."""
    from chorus.encoder.released import import_checkpoint as read

    print(read(file, output))
