"""Splats without photos as a scene of the workspace: views sampled in their free space and rendered from them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from chorus.adapt.views import DIRECTIONS, sample_views
from chorus.axes import said
from chorus.capture import Capture
from chorus.encoder.read import read
from chorus.errors import InputError
from chorus.incoming import NOTHING_SAID, IngestOptions
from chorus.io import is_splat_file, read_ply, write_ply
from chorus.moving import upright_as_file
from chorus.params import CaptureParams
from chorus.scene import GaussianScene
from chorus.splat.rasterize import render

SPLATS = "scene.ply"  # of a capture that came as splats
COVERED = 0.6  # share of a view that Gaussians fill at least: others look out of the scene


def find_splats(folder: Path) -> Path | None:
    """The splats of a dropped folder: itself where it is a format of splats, else the only file of splats in it."""
    folder = Path(folder)
    if (folder / "transforms.json").exists():
        return None
    if is_splat_file(folder):
        return folder
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and is_splat_file(path)]
    others = [path for path in folder.iterdir() if not path.name.startswith(".") and path not in files]
    return files[0] if len(files) == 1 and not others else None


def save_capture_of_splats(
    source: Path, params: CaptureParams, out: Path, *, options: IngestOptions = NOTHING_SAID
) -> None:
    """Write a capture whose photos and depth are renders of the splats, and the splats themselves, z up.

    options: up and scale, where the user said them. Raises InputError for a depth scale, of which splats have none to
    tell, and where no place in the scene is free for a camera.
    """
    if options.depth_scale is not None:
        expected, fix = "--depth-scale with depth images", "Say the file's unit with --unit or --scale."
        raise InputError(source, expected=expected, got="splats", fix=fix)
    scene = read(source, up=None if options.up == "auto" else options.up, scale=options.scale)
    try:
        places = -(-params.views // DIRECTIONS)
        cameras = sample_views(scene, places=places, width=params.width, height=params.height)
    except InputError as error:
        fix = "Give the file's up and unit: chorus show FILE --up ... --scale ... shows what they make of it."
        raise InputError(source, expected=error.expected, got=f"{error.got} ({said(scene.frame)})", fix=fix) from error
    with torch.no_grad():
        seen = render(scene, cameras)
    full = seen.alpha.mean(dim=(1, 2)).cpu() > COVERED
    full = full if full.any() else ~full
    info = {"source": "splats", "notes": [*scene.report.notes, said(scene.frame)]}
    images = (seen.colors.clamp(0, 1) * 255).round().byte().cpu().numpy()
    rows, depth = full.numpy(), seen.depth.float().cpu().numpy()
    kept = {"images": images[rows], "cameras": cameras.select(rows), "depth": depth[rows]}
    Capture(**kept, frame=scene.frame, info=info).save(out)
    write_ply(out / SPLATS, upright_as_file(scene))


def splats_of(capture: Path) -> GaussianScene | None:
    """The Gaussians a capture came with; None of one that is to be fitted."""
    path = Path(capture) / SPLATS
    if not path.is_file():
        return None
    scene = read_ply(path)
    return dataclasses.replace(scene, report=dataclasses.replace(scene.report, rows=None, notes=()))
