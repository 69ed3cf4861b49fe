"""Verbs that bring scenes in: homes, captures, and the Gaussians fitted to them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import tyro

from chorus.verbs import opened
from chorus.verbs.options import Scale, Unit


def fetch(
    *,
    homes: Annotated[
        Path | None, tyro.conf.arg(help="the Debian packages, unpacked elsewhere; downloaded when absent")
    ] = None,
) -> None:
    """Fetch the sample homes and their furniture (137 MB), or use a folder they were unpacked into."""
    from chorus.sources.sweethome3d import fetch_homes, link_homes

    store = opened.workspace().store
    found = fetch_homes(store.homes) if homes is None else link_homes(store.homes, homes)
    print(f"{found.jar.parent}: homes and {len(found.libraries)} furniture libraries")


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
    from chorus.incoming import brought_in, options_of
    from chorus.io import is_splat_file
    from chorus.recipes import scenes
    from chorus.sources.remote import fetched

    workspace = opened.workspace()
    options = options_of(up=up, scale=scale, unit=unit, depth_scale=depth_scale)
    found = fetched(source, workspace.store, name)
    with brought_in(workspace.store, found, name, options, splats=is_splat_file(found)), _told("chorus.sources"):
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

    workspace = opened.workspace()
    workspace.store.require(name, "capture")
    artifact = scenes.gaussians(workspace, name).run()
    print(f"{name}: {'fitted' if artifact.fresh else 'already there'}, {artifact.path / 'scene.ply'}")
