"""Verbs that turn scene files into others."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import tyro

from chorus.errors import InputError
from chorus.verbs import opened
from chorus.verbs.options import UNSAID, USUAL, FrameOptions, ModelOptions, Scene


def convert(
    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="IN")],
    target: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")],
    *,
    upright: Annotated[bool, tyro.conf.arg(help="write z up and in metres instead of in the file's frame")] = False,
    frame: FrameOptions = UNSAID,
) -> None:
    """Write splats in another format: .ply, .compressed.ply, .spz, .splat, or a folder of .npy arrays; the folder of a
    capture (data/capture/NAME) as a COLMAP project."""
    from chorus.capture import is_capture
    from chorus.io import read_scene, write_scene
    from chorus.moving import upright_as_file

    if is_capture(source):
        if frame != UNSAID:
            raise InputError("convert", expected="--up, --scale and --unit for splats", got="a capture")
        return _convert_capture(source, target, upright=upright)
    if upright:
        scene = upright_as_file(opened.scene(str(source), frame).gaussians)
    elif frame != UNSAID:
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
    asked: ModelOptions = USUAL,
    frame: FrameOptions = UNSAID,
) -> None:
    """Write a .ply with what the model thinks of every Gaussian: label, instance and score, the names in a comment."""
    from chorus.io import write_ply
    from chorus.view import edit
    from chorus.view.vocabulary import HELD

    if output.suffix.lower() != ".ply":
        raise InputError(output, expected="a .ply to hold labels", got=output.suffix or "no suffix")
    gaussians = opened.scene(scene, frame).gaussians
    labelled = edit.label(gaussians, opened.encoder(asked), names or HELD)
    write_ply(output, labelled)
    opened.say(labelled)
    print(f"{output}: {len(labelled)} Gaussians with label, instance and score")


def crop(
    scene: Scene,
    *,
    output: Annotated[Path, tyro.conf.arg(aliases=("-o",))],
    box: Annotated[
        tuple[float, float, float, float, float, float] | None, tyro.conf.arg(help="two corners, as the file has them")
    ] = None,
    object: Annotated[str | None, tyro.conf.arg(help='what to keep, as "a chair"')] = None,
    asked: ModelOptions = USUAL,
    frame: FrameOptions = UNSAID,
) -> None:
    """Write the part of a scene inside a box, or the object that answers best to some words."""
    from chorus.io import write_scene
    from chorus.view import edit

    if (box is None) == (object is None):
        raise InputError("crop", expected="--box or --object", got="neither" if box is None else "both")
    gaussians = opened.scene(scene, frame).gaussians
    if box is None and object:
        part = edit.crop_object(gaussians, opened.encoder(asked), object)
    else:
        part = edit.crop_box(gaussians, box or ())
    notes = write_scene(output, part)
    opened.say(gaussians)
    if notes:
        print("\n".join(notes), file=sys.stderr)
    print(f"{output}: {len(part)} of {len(gaussians)} Gaussians")
