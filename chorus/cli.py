"""The command line: verbs over one workspace. The only place that turns a ChorusError into one line and exit code 2."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from chorus.errors import ChorusError, InputError, Interrupted, MissingError, StoreError
from chorus.examples import EXAMPLES, shown
from chorus.listen import LOOPBACK, token_for
from chorus.whole import disk_errors

if TYPE_CHECKING:
    from chorus.scene import GaussianScene
    from chorus.store import Artifact
    from chorus.view.named import NamedScene
    from chorus.workspace import Workspace

ABOUT = (
    "A mental map for 3D Gaussian-splat scenes. Scenes are files of splats or names of the workspace. VERB --help has "
    "examples; --debug shows where an error came from, --version which version this is; --completion bash (zsh, fish, "
    "tcsh) prints a script that lets the shell complete verbs and options."
)
SHELLS = ("bash", "zsh", "fish", "tcsh")
OUTPUTS = Literal["lang", "dino", "object", "upcast"]
Scene = Annotated[
    str,
    tyro.conf.Positional,
    tyro.conf.arg(metavar="SCENE", help="a file of splats, a fitted scene's name, or sample: the room that ships"),
]
Up = Annotated[
    Literal["x", "-x", "y", "-y", "z", "-z", "keep"] | None,
    tyro.conf.arg(help="which way is up in the file; found from the file or the room when absent"),
]
Scale = Annotated[float | None, tyro.conf.arg(help="metres of one unit of the file")]
Unit = Annotated[
    Literal["m", "cm", "mm", "in", "ft"] | None, tyro.conf.arg(help="unit of the file, in place of --scale")
]
Ranks = Annotated[
    int | None,
    tyro.conf.arg(metavar="N", help="processes that share a step, a card each; ranks of params.yaml when absent"),
]
Model = Annotated[
    Path | None, tyro.conf.arg(help="a model's folder; when absent the workspace's, else the one that ships")
]
Adapter = Annotated[
    Path | None, tyro.conf.arg(help="folder of a domain's low-rank adapter of that model, in PEFT's layout")
]
Host = Annotated[str | None, tyro.conf.arg(help="loopback when absent; another needs a token")]
Port = Annotated[int | None, tyro.conf.arg(help="the first free one from 8080 on when absent")]
TokenFile = Annotated[
    Path | None, tyro.conf.arg(metavar="FILE", help="holds the token to ask for; CHORUS_TOKEN when absent")
]


def ingest(
    source: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")],
    *,
    name: Annotated[str, tyro.conf.arg(name="as")],
    up: Annotated[
        Literal["auto", "x", "-x", "y", "-y", "z", "-z", "keep"],
        tyro.conf.arg(help="the axis of the files that points up; keep: leave the axes as they are"),
    ] = "auto",
    scale: Scale = None,
    unit: Unit = None,
    depth_scale: Annotated[float | None, tyro.conf.arg(help="counts a metre of depth images")] = None,
) -> None:
    """Take photos (with poses or without), a COLMAP project, RGB-D frames, a video or a file of splats in as a scene of
    this name: a folder, a file, or the URL of one (https://, s3://).

    Splats get views sampled in their free space, so that teachers can look at them."""
    from chorus.capture import Capture
    from chorus.incoming import bring_in, options_of
    from chorus.io import is_splat_file
    from chorus.recipes import scenes
    from chorus.sources.remote import fetched

    workspace = _workspace()
    options = options_of(up=up, scale=scale, unit=unit, depth_scale=depth_scale)
    found = fetched(source, workspace.store, name)
    bring_in(workspace.store, found, name, options, splats=is_splat_file(found))
    with _told("chorus.sources"):
        artifact = scenes.capture(workspace, name).run()
    print(f"{name}: {'ingested' if artifact.fresh else 'already there'}, {artifact.path}")
    capture = Capture.load(artifact.path)
    counts = ", ".join(f"{count} {reason}" for reason, count in capture.info.get("skipped", {}).items())
    for line in [f"{len(capture)} views" + (f"; left out: {counts}" if counts else ""), *capture.info.get("notes", [])]:
        print(f"  {line}")


@contextmanager
def _told(logger: str) -> Iterator[None]:
    """What a logger says meanwhile goes to stderr, a line each."""
    log, handler = logging.getLogger(logger), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


def fit(name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]) -> None:
    """Optimise the Gaussians of an ingested scene."""
    from chorus.recipes import scenes

    workspace = _workspace()
    workspace.store.require(name, "capture")
    artifact = scenes.gaussians(workspace, name).run()
    print(f"{name}: {'fitted' if artifact.fresh else 'already there'}, {artifact.path / 'scene.ply'}")


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
    workspace = _workspace()
    failed = chain.teach(workspace, scenes, retrain=retrain, jobs=jobs)
    done = len(workspace.chosen(scenes)) - len(failed)
    print(f"{done} scene{'' if done == 1 else 's'} with targets")
    if failed:
        raise StoreError("teach", expected="targets of every scene", got=f"none of {', '.join(sorted(failed))}")


def distill(*, nproc: Ranks = None) -> None:
    """Distil the teachers' targets of the training rooms into an encoder, of splats and of points. A run that was
    stopped or killed goes on from its checkpoint."""
    from chorus.recipes import chain

    _made("encoder", chain.distill(_workspace(), ranks=nproc))


def shard(
    address: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="ADDRESS")],
    *,
    scenes: Annotated[int, tyro.conf.arg(help="in a shard")] = 50,
) -> None:
    """Write what distillation reads of the training rooms as shards, to a folder or s3://BUCKET/PREFIX: for more rooms
    than a machine's disk holds. Then: CHORUS_SHARDS=ADDRESS chorus distill."""
    from chorus.recipes import models

    index = models.shard(_workspace(), address, each=scenes)
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

    workspace = _workspace()
    if not scenes:
        given = {"--output": output, "--model": model, "--tune": tune}
        if told := [name for name, value in given.items() if value is not None]:
            raise InputError(", ".join(told), expected="names of scenes to adapt to", got="none")
        return _made("adapted encoder", chain.adapt(workspace, ranks=nproc))
    if output is None:
        raise InputError("adapt", expected="-o, a folder for the adapted model", got="none")
    from chorus.encoder.encode import model_folder

    base, tune = model_folder(_model(model, workspace), variant="splats"), tune or "lora"
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

    laid = lay_out(_workspace(), folder, designed=designed, generated=generated, seed=seed, held_out=held_out)
    train, judges, last = (len(laid.rooms(split=split, domain="main")) for split in ("train", "validation", "held_out"))
    print(f"{folder}: {train} rooms to train on, {judges} to judge by{f', {last} held out' if last else ''}")


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

    print_table(chain.evaluate(_workspace(), split or "held_out"))


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

    def opened(variant: str):
        encoders[variant] = _encoder(model, variant=variant)
        return encoders[variant]

    readers = [partial(read_benchmark_scene, folder, names) for folder in folders]
    tally, errors = benchmark.score(readers, names, opened, neighbors=_workspace().params.evaluate.neighbors)
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


def export(
    *,
    output: Annotated[Path, tyro.conf.arg(aliases=("-o",))],
    note: Annotated[str, tyro.conf.arg(help="a line the card begins with")] = "",
    most: Annotated[float | None, tyro.conf.arg(metavar="MB", help="refuse larger weights")] = None,
) -> None:
    """Write the trained encoder as a small folder to pass on: half precision, its card, its figures, checksums. It
    must have been scored on the validation rooms."""
    from chorus.recipes.export import export as write

    sizes = write(_workspace(), output, note=note, most=most)
    print(f"{output}: {', '.join(f'{name} {size / 1e6:.2f} MB' for name, size in sorted(sizes.items()))}")


def record(*, output: Annotated[Path, tyro.conf.arg(aliases=("-o",), metavar="FILE")]) -> None:
    """Write the trained encoder's figures on the validation rooms as small JSON, to be kept: parameters, recipes, seed,
    rooms, steps, seconds, kind of machine."""
    from chorus.json_files import write_json
    from chorus.recipes.record import record as made
    from chorus.store import atomic_file

    about = made(_workspace())
    with atomic_file(output) as path:
        write_json(path, about)
    print(f"{output}: {sum(about['rooms'].values())} rooms, seed {about['seed']}")


def encode(
    scene: Scene,
    *,
    output: Annotated[Path, tyro.conf.arg(aliases=("-o",))],
    model: Model = None,
    adapter: Adapter = None,
    outputs: tuple[OUTPUTS, ...] = ("lang",),
    up: Up = None,
    scale: Scale = None,
    unit: Unit = None,
) -> None:
    """Write features of every Gaussian: one file, or one for each of several outputs (features.lang.safetensors,
    ...). Rows are those of the scene's file."""
    gaussians, encoder = _scene(scene, up=up, scale=scale, unit=unit).gaussians, _encoder(model, adapter)
    paths = {name: output if len(outputs) == 1 else output.with_suffix(f".{name}{output.suffix}") for name in outputs}
    encoder.encode_to_files(gaussians, paths, info={"scene": Path(scene).name})
    _say(gaussians)
    for name, path in paths.items():
        print(f"{path}: {name}, {len(gaussians)} Gaussians x {encoder.channels(name)}")


def query(
    scene: Scene,
    words: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="WORDS", help='what to look for: "a chair" "a lamp" ...'),
    ],
    *,
    output: Annotated[
        Path | None, tyro.conf.arg(aliases=("-o",), help="folder of the heat maps; the working directory when absent")
    ] = None,
    model: Model = None,
    adapter: Adapter = None,
    top: int = 5,
    up: Up = None,
    scale: Scale = None,
    unit: Unit = None,
) -> None:
    """Find objects by words: a table, and for each text a heat-map .ply with its picture from above and from inside."""
    from chorus.view import ask

    if not words:
        raise InputError("query", expected='words to look for, as "a chair"', got="none")
    named = _scene(scene, up=up, scale=scale, unit=unit)
    search = ask.Search.of(named.gaussians, _encoder(model, adapter))
    answers = [search.ask(text, top=top) for text in words]
    _say(named.gaussians)
    for answer in answers:
        print(ask.table(answer, unit=named.unit))
        for path in ask.save(answer, output or Path("."), name=named.name, capture=named.capture):
            print(f"  {path}")


def describe(
    scene: Scene,
    *,
    json: Annotated[bool, tyro.conf.arg(help="everything that was found, as JSON")] = False,
    model: Model = None,
    adapter: Adapter = None,
    up: Up = None,
    scale: Scale = None,
    unit: Unit = None,
) -> None:
    """Tell what a room holds: things with names, sizes, places and how they stand to each other, in sentences."""
    from chorus.view.ask import Search
    from chorus.view.describe import describe as look
    from chorus.view.sentences import sentences

    named = _scene(scene, up=up, scale=scale, unit=unit)
    found = look(Search.of(named.gaussians, _encoder(model, adapter)))
    _say(named.gaussians)
    if json:
        from json import dumps

        print(dumps({"scene": named.name, **found.to_json(), "sentences": sentences(found)}, indent=1))
    else:
        print("\n".join(sentences(found)))


def convert(
    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="IN")],
    target: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")],
    *,
    upright: Annotated[bool, tyro.conf.arg(help="write z up and in metres instead of in the file's frame")] = False,
    up: Up = None,
    scale: Scale = None,
    unit: Unit = None,
) -> None:
    """Write splats in another format: .ply, .compressed.ply, .spz, .splat, or a folder of .npy arrays; the folder of a
    capture (data/capture/NAME) as a COLMAP project."""
    from chorus.capture import is_capture
    from chorus.io import read_scene, write_scene
    from chorus.moving import upright_as_file

    if is_capture(source):
        if (up, scale, unit) != (None, None, None):
            raise InputError("convert", expected="--up, --scale and --unit for splats", got="a capture")
        return _convert_capture(source, target, upright=upright)
    if upright:
        scene = upright_as_file(_scene(str(source), up=up, scale=scale, unit=unit).gaussians)
    elif (up, scale, unit) != (None, None, None):
        raise InputError("convert", expected="--upright with --up, --scale and --unit", got="them without it")
    else:
        scene = read_scene(source)
    notes = (*scene.report.notes, *write_scene(target, scene))
    if notes:
        print("\n".join(notes), file=sys.stderr)
    print(f"{target}: {len(scene)} Gaussians")


def _convert_capture(source: Path, target: Path, *, upright: bool) -> None:
    from chorus.capture import Capture
    from chorus.io.colmap_project import write_colmap

    if target.suffix:
        raise InputError(target, expected="a folder, for a COLMAP project", got=f"a {target.suffix} file")
    if target.exists() and not (target / "sparse").is_dir():
        raise InputError(target, expected="a new folder, or a COLMAP project to replace", got="something else there")
    capture = Capture.load(source)
    notes = write_colmap(target, capture, upright=upright)
    print(f"{target}: {len(capture)} views, {capture.frame.says() if upright else 'in the frame of its files'}")
    for line in notes:
        print(f"  {line}")


def label(
    scene: Scene,
    *,
    output: Annotated[Path, tyro.conf.arg(aliases=("-o",))],
    names: Annotated[tuple[str, ...], tyro.conf.arg(help="what a Gaussian may be; things of rooms if absent")] = (),
    model: Model = None,
    adapter: Adapter = None,
    up: Up = None,
    scale: Scale = None,
    unit: Unit = None,
) -> None:
    """Write a .ply with what the model thinks of every Gaussian: label, instance and score, the names in a comment."""
    from chorus.io import write_ply
    from chorus.view import edit
    from chorus.view.vocabulary import HELD

    if output.suffix.lower() != ".ply":
        raise InputError(output, expected="a .ply to hold labels", got=output.suffix or "no suffix")
    gaussians = _scene(scene, up=up, scale=scale, unit=unit).gaussians
    labelled = edit.label(gaussians, _encoder(model, adapter), names or HELD)
    write_ply(output, labelled)
    _say(labelled)
    print(f"{output}: {len(labelled)} Gaussians with label, instance and score")


def crop(
    scene: Scene,
    *,
    output: Annotated[Path, tyro.conf.arg(aliases=("-o",))],
    box: Annotated[
        tuple[float, float, float, float, float, float] | None, tyro.conf.arg(help="two corners, as the file has them")
    ] = None,
    object: Annotated[str | None, tyro.conf.arg(help='what to keep, as "a chair"')] = None,
    model: Model = None,
    adapter: Adapter = None,
    up: Up = None,
    scale: Scale = None,
    unit: Unit = None,
) -> None:
    """Write the part of a scene inside a box, or the object that answers best to some words."""
    from chorus.io import write_scene
    from chorus.view import edit

    if (box is None) == (object is None):
        raise InputError("crop", expected="--box or --object", got="neither" if box is None else "both")
    gaussians = _scene(scene, up=up, scale=scale, unit=unit).gaussians
    if box is None and object:
        part = edit.crop_object(gaussians, _encoder(model, adapter), object)
    else:
        part = edit.crop_box(gaussians, box or ())
    notes = write_scene(output, part)
    _say(gaussians)
    if notes:
        print("\n".join(notes), file=sys.stderr)
    print(f"{output}: {len(part)} of {len(gaussians)} Gaussians")


def report(
    *,
    markdown: Annotated[
        Path | None, tyro.conf.arg(help="also rewrite the results of a Markdown file, between its two marker lines")
    ] = None,
) -> None:
    """Print the result tables of data/reports/metrics.json."""
    from chorus.evaluate.markdown import update
    from chorus.evaluate.table import print_table

    folder = _workspace().store.report("held_out")
    print_table(folder)
    if markdown is not None:
        print(f"written: {', '.join(map(str, update(markdown, folder)))}")


def show(
    scene: Scene,
    *,
    output: Annotated[Path, tyro.conf.arg(aliases=("-o",))] = Path("scene.png"),
    up: Up = None,
    scale: Scale = None,
    unit: Unit = None,
) -> None:
    """Write a picture of a scene from above, the ceiling cut away, and from inside."""
    from chorus.view import ask, render

    named = _scene(scene, up=up, scale=scale, unit=unit)
    inside = None if named.capture is None else render.best_view(named.capture)
    ask.save_views(output, named.gaussians, named.gaussians.rgb.numpy(), inside=inside)
    _say(named.gaussians)
    print(f"{output}: {len(named.gaussians)} Gaussians")


def view(
    scene: Scene,
    *,
    model: Model = None,
    adapter: Adapter = None,
    beside: Annotated[
        str | None, tyro.conf.arg(help="a second scene, or the folder of a second model, to stand beside the first")
    ] = None,
    host: Host = None,
    port: Port = None,
    token_file: TokenFile = None,
    exports: Annotated[
        Path | None, tyro.conf.arg(help="folder of what is exported; the working directory when absent")
    ] = None,
    static: Annotated[
        Path | None, tyro.conf.arg(metavar="OUT.html", help="write one page that needs no server instead of serving")
    ] = None,
    words: Annotated[
        Path | None, tyro.conf.arg(help="a text file, a line each: more words for the page to answer")
    ] = None,
    training: Annotated[
        Literal["splats", "points"] | None,
        tyro.conf.arg(
            help="follow a training of this workspace that runs: its curve, and what its newest checkpoint sees"
        ),
    ] = None,
    up: Up = None,
    scale: Scale = None,
    unit: Unit = None,
) -> None:
    """Look at a scene in the browser, click it and ask it; Ctrl-C ends it. --static writes one file to mail instead:
    it opens anywhere, and answers the words it holds without a network."""
    from chorus.view.reference import Reference, Rows, teacher_of
    from chorus.view.session import Session
    from chorus.view.training import RunningTraining

    if words is not None and static is None:
        raise InputError("--words", expected="--static", got="a viewer, which answers any words")
    listening = {"--host": host, "--port": port, "--token-file": token_file}
    served = {"--beside": beside, **listening, "--exports": exports, "--training": training}
    given = [name for name, value in served.items() if value is not None]
    if static is not None and given:
        raise InputError("--static", expected="a page of one scene, which no server shows", got=", ".join(given))
    host = host or LOOPBACK[0]
    token = None if static is not None else token_for(host, token_file)
    own = [] if words is None else _lines(words)
    named, store = _scene(scene, up=up, scale=scale, unit=unit), _workspace().store
    following = None if training is None else RunningTraining(store.training(training), training)
    lifted = teacher_of(store, named.name) if scene in store.scenes_with("gaussians") else None
    sessions = [Session(named, _encoder(model, adapter), lifted)]
    if static is not None:
        from chorus.view.page import write_page

        page = write_page(static, sessions[0], words=own)
        print(f"{page}: {len(sessions[0].kept):,} Gaussians, {page.stat().st_size / 1e6:.1f} MB")
        return
    from chorus.view import viewer

    if beside is not None:
        if _holds_model(Path(beside)):
            first = Reference(("first", "second"), lambda: Rows.of(sessions[0].search.features))
            sessions.append(Session(named, _encoder(Path(beside)), first))
        else:
            sessions.append(Session(_scene(beside), sessions[0].encoder))
    shown = viewer.Viewer(sessions, host=host, port=port, token=token, folder=exports or Path("."), training=following)
    print(f"{shown.address}   (Ctrl-C ends it)", flush=True)
    shown.run()


def serve(
    *,
    scenes: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR", help="whose scenes may be opened; the workspace's when absent")
    ] = None,
    model: Model = None,
    adapter: Adapter = None,
    mcp: Annotated[bool, tyro.conf.arg(help="answer an assistant over stdin and stdout instead")] = False,
    host: Host = None,
    port: Port = None,
    token_file: TokenFile = None,
    queue: Annotated[int, tyro.conf.arg(help="requests that may wait; the next is told when to come back")] = 16,
    memory: Annotated[int, tyro.conf.arg(metavar="MB", help="of scenes kept with their features")] = 2000,
    upload: Annotated[int, tyro.conf.arg(metavar="MB", help="of one uploaded file, at most")] = 500,
) -> None:
    """Serve the model: open scenes, ask them, pick, measure, over HTTP with an API page, or as an MCP server over stdio
    (docs/serve.md). Ctrl-C ends it."""
    from chorus.serve import start

    given = {"--host": host, "--port": port, "--token-file": token_file}
    told = [name for name, value in given.items() if value is not None]
    if mcp and told:
        raise InputError("--mcp", expected="stdin and stdout, which need no address", got=", ".join(told))
    mine = _workspace().store.fitted
    options = start.Options(
        scenes=scenes or (mine if mine.is_dir() else None),
        host=host or start.Options.host,
        port=port,
        token_file=token_file,
        queue=queue,
        memory=memory * 10**6,
        upload=upload * 10**6,
    )
    (start.serve_mcp if mcp else start.serve_http)(options, lambda: _encoder(model, adapter))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, expected="a text file of words, a line each", got=str(error)) from error


def fetch(
    *,
    homes: Annotated[
        Path | None, tyro.conf.arg(help="the Debian packages, unpacked elsewhere; downloaded when absent")
    ] = None,
) -> None:
    """Fetch the sample homes and their furniture (137 MB), or use a folder they were unpacked into."""
    from chorus.sources.sweethome3d import fetch_homes, link_homes

    store = _workspace().store
    found = fetch_homes(store.homes) if homes is None else link_homes(store.homes, homes)
    print(f"{found.jar.parent}: homes and {len(found.libraries)} furniture libraries")


def teachers(
    action: Annotated[Literal["list", "pull"], tyro.conf.Positional],
    names: Annotated[tuple[str, ...], tyro.conf.Positional] = (),
    *,
    dir: Path | None = None,
) -> None:
    """List the foundation teachers (what is here, size, licence, which preset needs it), or pull some by name, hub id
    or open_clip MODEL:TAG."""
    from chorus.teachers.foundation import list_teachers, pull

    workspace = _workspace()
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


def _workspace() -> Workspace:
    from chorus.workspace import Workspace

    return Workspace.open()


def _scene(name: str, **frame) -> NamedScene:
    """frame: up, scale and unit as the user gave them."""
    from chorus.store import Store, root_folder
    from chorus.view.named import open_scene

    return open_scene(name, Store(root_folder()), **frame)


def _say(scene: GaussianScene) -> None:
    """What reading a file left out, and how up and unit were found, on stderr."""
    if scene.report.total:
        from chorus.axes import said

        print("\n".join([*scene.report.notes, said(scene.frame)]), file=sys.stderr)


def _encoder(folder: Path | None, adapter: Path | None = None, *, variant: str = "splats"):
    """The model to ask: as :func:`_model` says. An adapter is folded into it."""
    import chorus

    workspace = _workspace()
    folder = _model(folder, workspace)
    return chorus.load(folder, variant=variant, device=workspace.params.device, adapter=adapter)


def _model(folder: Path | None, workspace: Workspace) -> Path:
    """The folder of the model named, else of what the workspace trained, else of what ships; in the last two cases a
    line on stderr says which. Raises MissingError where the folder named holds none."""
    import chorus
    from chorus.encoder.shipped import shipped_model

    if folder is not None:
        if not _holds_model(folder):
            got = "a folder without config.json" if folder.is_dir() else "nothing there"
            fix = "Name another, or leave --model out."
            raise MissingError(folder, expected="a trained encoder's folder", got=got, fix=fix)
        return folder
    trained = workspace.store.model("encoder")
    own = _holds_model(trained)
    which = f"this workspace's, {trained}" if own else f"the one that ships with chorus {chorus.__version__}"
    print(f"model: {which}", file=sys.stderr)
    return trained if own else shipped_model()


def _holds_model(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("config.json", "splats/config.json"))


VERBS = {
    "fetch": fetch,
    "ingest": ingest,
    "fit": fit,
    "teach": teach,
    "distill": distill,
    "shard": shard,
    "adapt": adapt,
    "evaluate": evaluate,
    "trial": trial,
    "record": record,
    "export": export,
    "encode": encode,
    "query": query,
    "describe": describe,
    "show": show,
    "view": view,
    "serve": serve,
    "convert": convert,
    "label": label,
    "crop": crop,
    "report": report,
    "teachers": teachers,
    "import-checkpoint": import_checkpoint,
}


def main(argv: list[str] | None = None) -> None:
    """Run a verb. Exits with one line on stderr for what the user can mend, and 2 (75 for a training that was asked to
    stop and kept its checkpoint, 130 after Ctrl-C)."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words == ["--version"]:
        from chorus import __version__

        print(f"chorus {__version__}")
        return
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    # Threads that spin while they wait take time from whatever else runs: on a busy machine a query took twice as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        with disk_errors("chorus"):
            _run(_completion(words) if words[:1] == ["--completion"] else words)
    except ChorusError as error:
        if debug:
            raise
        print(f"chorus: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except (MemoryError, RuntimeError) as error:
        if debug or not (whose := _short_of_memory(error)):
            raise
        said = next(iter(str(error).splitlines()), "a request was refused")
        print(f"chorus: {whose} memory is used up: {said}", file=sys.stderr)
        sys.exit(ChorusError.exit_code)
    except KeyboardInterrupt:
        if debug:
            raise
        print("chorus: interrupted", file=sys.stderr)
        sys.exit(Interrupted.exit_code)


def _run(words: list[str]) -> None:
    try:
        tyro.extras.subcommand_cli_from_dict(VERBS, prog="chorus", description=ABOUT, args=words)
    except SystemExit as end:
        if not end.code and words and words[0] in EXAMPLES:  # its help was shown
            print(shown(words[0]))
        raise


def _completion(words: list[str]) -> list[str]:
    """--completion SHELL in tyro's words."""
    if len(words) != 2 or words[1] not in SHELLS:
        got = " ".join(words[1:]) or "none"
        raise InputError("--completion", expected=f"one shell: {', '.join(SHELLS)}", got=got)
    return ["--tyro-write-completion", words[1], "-"]


def _short_of_memory(error: Exception) -> str:
    """Whose memory was not enough, where that is what an error says; torch, which may not be loaded, says it twice."""
    if type(error).__name__ == "OutOfMemoryError":
        return "the card's"
    return "the machine's" if isinstance(error, MemoryError) or "allocate memory" in str(error) else ""


if __name__ == "__main__":
    main()
