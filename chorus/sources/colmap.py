"""COLMAP projects: the photos and their model, wherever COLMAP, its users and ScanNet++ put them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from chorus.capture import Capture
from chorus.files import find_file
from chorus.frames import Frame
from chorus.incoming import IngestOptions
from chorus.io.colmap import ColmapModel, is_colmap, read_colmap
from chorus.params import CaptureParams
from chorus.sources.clouds import Cloud, left_out, usable
from chorus.sources.lenses import lens
from chorus.sources.poses import check_enough, quaternion_pose
from chorus.sources.shots import MIN_VIEWS, Shot, Shots, make_capture
from chorus.sources.upright import Convention

_SCANNETPP = "dslr/colmap"
_MODELS = (
    "sparse/0", "sparse", "colmap/sparse/0", "colmap/sparse", _SCANNETPP, "colmap", "distorted/sparse/0",
    "dense/sparse", ".",
)  # fmt: skip
_PHOTOS = ("images", "input", "dslr/resized_images", "resized_images", "dense/images", "rgb", ".")
_MASKS = ("masks", "dslr/resized_anon_masks", "resized_anon_masks")
_ABSENT = "photos absent"


def find_model(folder: Path) -> Path | None:
    """The folder of the model of a project; None where there is none. Of several parts the one with most images."""
    folder = Path(folder)
    first = next((folder / name for name in _MODELS if is_colmap(folder / name)), None)
    if first is None or first.parent.name != "sparse":
        return first
    parts = [part for part in first.parent.iterdir() if part.is_dir() and is_colmap(part)]
    return max(parts, key=_images_bytes, default=first)


def _images_bytes(model: Path) -> int:
    return max((model / name).stat().st_size for name in ("images.bin", "images.txt") if (model / name).is_file())


def read_colmap_project(folder: Path, params: CaptureParams, options: IngestOptions) -> Capture:
    """A capture from a COLMAP project: every camera of a rig with its own lens and size, the sparse points where there
    are any (triangulated from the photos where not), masks (black is left out) where there is a folder of them.

    COLMAP's world has any axes and scale; that of ScanNet++ is in metres with z up. Raises InputError for a lens that
    is not understood, by its name.
    """
    folder = Path(folder)
    place = find_model(folder) or folder
    model = read_colmap(place)
    shots, lost = _shots(folder, place, model)
    check_enough(place, len(shots), lost, least=MIN_VIEWS, fix=f"Put the photos in {folder / 'images'}.")
    scannet = place == folder / _SCANNETPP or (place.name == "colmap" and place.parent.name == "dslr")
    keep = usable(model.points)
    found = Shots(
        where=place,
        source="photos",
        shots=shots,
        cloud=Cloud(points=model.points[keep], colors=model.colors[keep]) if keep.any() else None,
        notes=[left_out("points3D", keep)] if not keep.all() else [],
        frame=Frame(unit="m") if scannet else Frame(up="assumed", unit="unknown", unit_known="assumed"),
        convention=Convention(up="z", always=True) if scannet else Convention(),
        skipped=lost,
        as_stored=True,
    )
    return make_capture(found, params, options)


def _shots(folder: Path, place: Path, model: ColmapModel) -> tuple[list[Shot], Counter]:
    shots, lost = [], Counter()
    roots = [folder / name for name in _PHOTOS] + [parent / "images" for parent in list(place.resolve().parents)[:3]]
    masks = [folder / name for name in _MASKS]
    lenses = {
        number: lens(camera.model, list(camera.params), camera.size, where=f"{place} (camera {number})")
        for number, camera in model.cameras.items()
    }
    for image in model.images:
        photo = _first(roots, image.name, ("",))
        if photo is None:
            lost[_ABSENT] += 1
            continue
        cam_from_world, why = quaternion_pose(np.array(image.translation), np.array(image.wxyz))
        if cam_from_world is None:
            lost[why] += 1
            continue
        stem = str(Path(image.name.replace("\\", "/")).with_suffix(""))
        mask = _first(masks, image.name, (".png", "")) or _first(masks, stem, (".png",))
        pose = np.linalg.inv(cam_from_world)
        shots.append(Shot(path=photo, lens=lenses[image.camera], pose=pose, mask=mask, name=image.name))
    return shots, lost


def _first(roots: list[Path], name: str, suffixes: tuple[str, ...]) -> Path | None:
    return next((f for root in roots if root.is_dir() and (f := find_file(root, name, suffixes=suffixes))), None)
