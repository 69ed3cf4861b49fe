"""Any file of splats or points as a scene the encoder reads: valid, z up, in metres as far as anything tells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from chorus.axes import DOUBLES, TOO_ROUGH, coarseness, offset_of
from chorus.encoder.points import scene_of_points
from chorus.encoder.shipped import SAMPLE, SAMPLE_NAME
from chorus.errors import ChorusError, InputError
from chorus.frames import Frame
from chorus.io import PointCloud, read_scene_or_points
from chorus.io.spz import read_spz
from chorus.json_files import read_json
from chorus.scene import GaussianScene
from chorus.sources.orient import orient
from chorus.stages import GAUSSIANS, part_of
from chorus.store import MANIFEST


def read(
    path: str | Path, *, up: str | None = None, scale: float | None = None, unit: str | None = None
) -> GaussianScene:
    """A scene of any format of :func:`chorus.io.read_scene`; points become flat Gaussians along the surface.

    up, scale, unit: as :func:`chorus.sources.orient.orient` takes them. The folder of a fitted scene, and its
    scene.ply, are in the frame of their capture; "sample", where nothing of that name lies, is the room that ships.
    """
    path = Path(path)
    if str(path) == SAMPLE_NAME and not path.exists():
        if (up, scale, unit) != (None, None, None):
            raise InputError(path, expected="up, scale and unit for a file", got="the room that ships")
        return sample()
    found = read_scene_or_points(path)
    scene = _discs(found, path) if isinstance(found, PointCloud) else found
    fitted = _fitted(path if path.is_dir() else path.parent, path)
    if fitted is not None and up is None and scale is None and unit is None:
        return replace(scene, frame=fitted)
    return orient(scene, up=up, scale=scale, unit=unit, where=path)


def _discs(cloud: PointCloud, path: Path) -> GaussianScene:
    """The points of a file as flat Gaussians, centred in double where they lie far from the origin."""
    if (step := coarseness(cloud.points)) > TOO_ROUGH:
        got = f"single floats so far from the origin that their steps are {step:.0%} of the scene"
        raise InputError(path, expected="positions", got=got, fix=DOUBLES)
    offset = offset_of(cloud.points)
    scene = scene_of_points(cloud.points - offset, cloud.colors, cloud.normals, where=path)
    frame = Frame(up="assumed", unit="unknown", unit_known="assumed", offset=tuple(offset.tolist()))
    return replace(scene, frame=frame, report=cloud.report)


def sample() -> GaussianScene:
    """The room that ships: z up, in metres."""
    return replace(read_spz(SAMPLE), frame=Frame()).validate(SAMPLE_NAME)


def _fitted(folder: Path, path: Path) -> Frame | None:
    """The frame of the artifact a path belongs to; None where it is none."""
    if path != folder and path.name != "scene.ply":
        return None
    try:
        if read_json(folder / MANIFEST).get("stage") != GAUSSIANS:
            return None
    except (ChorusError, AttributeError):
        return None
    cameras = folder.resolve().parents[1] / part_of("scenes/capture") / folder.resolve().name / "cameras.json"
    if not cameras.is_file():
        return Frame(unit="unknown")
    frame = read_json(cameras).get("frame")
    return (Frame() if frame is None else Frame.from_json(frame, where=cameras)).upright()
