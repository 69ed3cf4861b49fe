"""From one entry of data/scenes.yaml to a Capture."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from chorus.cameras import Cameras
from chorus.capture import Capture
from chorus.params import CaptureParams
from chorus.scene_list import SweetHomeRoom
from chorus.sources.sweethome3d.assemble import RoomScene, assemble
from chorus.sources.sweethome3d.classes import CLASS_NAMES
from chorus.sources.sweethome3d.fetch import find_homes
from chorus.sources.sweethome3d.light import PRESETS
from chorus.sources.sweethome3d.models import ModelStore
from chorus.sources.sweethome3d.raycast import Tracer
from chorus.sources.sweethome3d.render import Rendered, render
from chorus.sources.sweethome3d.sensor import develop
from chorus.sources.sweethome3d.viewpoints import choose_views


def make_capture(spec: SweetHomeRoom, params: CaptureParams, *, homes_dir: Path) -> Capture:
    """Render one room: posed images with depth, class and instance. The same bytes for the same spec and params.

    Raises MissingError without the packages, InputError for a damaged file, an unknown room or library, or a room
    without free space.
    """
    homes = find_homes(homes_dir)
    room = assemble(spec, homes, ModelStore(homes.cache))
    tracer = Tracer(room.soup.corners)
    rng = np.random.default_rng([spec.seed, zlib.crc32(f"{spec.home} {spec.room}".encode())])
    fov = float(rng.uniform(70.0, 80.0))
    cameras, overlaps = choose_views(
        room, tracer, views=params.views, width=params.width, height=params.height, fov_deg=fov, rng=rng
    )
    frames = render(room, tracer, cameras, preset=PRESETS[spec.light])
    images = develop(frames.radiance, rng)
    return capture_of(room, frames, cameras, images=images, overlaps=overlaps, fov=fov)


def capture_of(
    room: RoomScene, frames: Rendered, cameras: Cameras, *, images: np.ndarray, overlaps: np.ndarray, fov: float
) -> Capture:
    """What was rendered of a room, with the photos [V, H, W, 3] developed of it and how its views were chosen: overlaps
    of neighbours, degrees of the field of view."""
    info = {
        **room.info,
        "fov_deg": round(fov, 2),
        "overlap_min": round(float(overlaps.min()), 3) if len(overlaps) else 1.0,
    }
    return Capture(
        images=images,
        cameras=cameras,
        depth=frames.depth,
        semantic=frames.semantic,
        instance=frames.instance,
        class_names=CLASS_NAMES,
        info=info,
    )
