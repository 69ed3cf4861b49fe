"""Verbs that ask a model about a scene."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from chorus.errors import InputError
from chorus.verbs import opened
from chorus.verbs.options import OUTPUTS, UNSAID, USUAL, FrameOptions, ModelOptions, Scene


def encode(
    scene: Scene,
    *,
    output: Annotated[Path, tyro.conf.arg(aliases=("-o",))],
    asked: ModelOptions = USUAL,
    outputs: tuple[OUTPUTS, ...] = ("lang",),
    frame: FrameOptions = UNSAID,
) -> None:
    """Write features of every Gaussian: one file, or one for each of several outputs (features.lang.safetensors,
    ...). Rows are those of the scene's file."""
    gaussians, encoder = opened.scene(scene, frame).gaussians, opened.encoder(asked)
    paths = {name: output if len(outputs) == 1 else output.with_suffix(f".{name}{output.suffix}") for name in outputs}
    encoder.encode_to_files(gaussians, paths, info={"scene": Path(scene).name})
    opened.say(gaussians)
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
    asked: ModelOptions = USUAL,
    top: int = 5,
    frame: FrameOptions = UNSAID,
) -> None:
    """Find objects by words: a table, and for each text a heat-map .ply with its picture from above and from inside."""
    from chorus.view import ask

    if not words:
        raise InputError("query", expected='words to look for, as "a chair"', got="none")
    named = opened.scene(scene, frame)
    search = ask.Search.of(named.gaussians, opened.encoder(asked))
    answers = [search.ask(text, top=top) for text in words]
    opened.say(named.gaussians)
    for answer in answers:
        print(ask.table(answer, unit=named.unit))
        for path in ask.save(answer, output or Path("."), name=named.name, capture=named.capture):
            print(f"  {path}")


def describe(
    scene: Scene,
    *,
    json: Annotated[bool, tyro.conf.arg(help="everything that was found, as JSON")] = False,
    asked: ModelOptions = USUAL,
    frame: FrameOptions = UNSAID,
) -> None:
    """Tell what a room holds: things with names, sizes, places and how they stand to each other, in sentences."""
    from chorus.view.ask import Search
    from chorus.view.describe import describe as look
    from chorus.view.sentences import sentences

    named = opened.scene(scene, frame)
    found = look(Search.of(named.gaussians, opened.encoder(asked)))
    opened.say(named.gaussians)
    if json:
        from json import dumps

        print(dumps({"scene": named.name, **found.to_json(), "sentences": sentences(found)}, indent=1))
    else:
        print("\n".join(sentences(found)))


def show(
    scene: Scene,
    *,
    output: Annotated[Path, tyro.conf.arg(aliases=("-o",))] = Path("scene.png"),
    frame: FrameOptions = UNSAID,
) -> None:
    """Write a picture of a scene from above, the ceiling cut away, and from inside."""
    from chorus.view import ask, render

    named = opened.scene(scene, frame)
    inside = None if named.capture is None else render.best_view(named.capture)
    ask.save_views(output, named.gaussians, named.gaussians.rgb.numpy(), inside=inside)
    opened.say(named.gaussians)
    print(f"{output}: {len(named.gaussians)} Gaussians")
