"""What makes a Capture. ingest() reads a folder or video of real data, whichever of the known kinds it is."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from chorus.capture import Capture
from chorus.capture_checks import passed, without_blanks
from chorus.errors import InputError
from chorus.incoming import NOTHING_SAID, VIDEOS, IngestOptions
from chorus.params import CaptureParams
from chorus.whole import scratch_folder

_KINDS = (
    "transforms.json, a COLMAP model, RGB-D frames (frame-*.color.*, .depth.png, .pose.txt; color/ depth/ pose/; TUM; "
    "Replica), photos or a video"
)
_POSES = ("poses_bounds.npy", "cameras.npz", "*.nvm", "bundle*.out", "cameras.xml", "*.camera.json", "opensfm.json")
Report = Callable[[str, int, int], None]


def kind_of(path: Path) -> str:
    """'transforms', 'rgbd', 'colmap', 'video', 'photos' (without poses) or 'unknown', by the files there."""
    from chorus.sources.colmap import find_model
    from chorus.sources.layouts import find_layout
    from chorus.sources.transforms import find_transforms

    path = Path(path)
    if path.is_file():
        return "video" if path.suffix.lower() in VIDEOS else "unknown"
    if find_transforms(path):
        return "transforms"
    if find_layout(path):
        return "rgbd"
    if find_model(path):
        return "colmap"
    return "photos" if _photos(path) else "unknown"


def ingest(
    path: Path,
    params: CaptureParams,
    options: IngestOptions = NOTHING_SAID,
    *,
    seed: int = 0,
    report: Report | None = None,
) -> Capture:
    """A capture from a folder of photos, of RGB-D frames or of a COLMAP project, or from a video; checked.

    options: what only the user knows (up, scale, depth scale); report(what, done, total) tells the progress of finding
    poses. What was left out is counted in ``info["skipped"]``, what is to be said stands in ``info["notes"]``. Raises
    InputError when the path is absent, empty or of no known kind, when too little of it can be read, or when a check of
    ``capture_checks`` fails.
    """
    path = Path(path)
    options.validate()
    if not path.exists():
        raise InputError(path, expected=_KINDS, got="nothing there")
    if path.is_dir() and not any(path.iterdir()):
        raise InputError(path, expected=_KINDS, got="an empty folder")
    kind = kind_of(path)
    if kind == "unknown":
        raise InputError(path, expected=_KINDS, got="none of them", fix=_what_to_do(path))
    capture = without_blanks(_read(kind, path, params, options, seed=seed, report=report))
    warnings = passed(capture, path)
    notes = [capture.frame.says(), *capture.info.get("notes", []), *(f"warning: {line}" for line in warnings)]
    return dataclasses.replace(capture, info={**capture.info, "notes": notes})


def _what_to_do(path: Path) -> str:
    """The advice that fits what lies in a folder nothing of which is read."""
    from chorus.sources.images import FOREIGN, SUFFIXES

    files = [] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    foreign = sorted({file.suffix.lower() for file in files if file.suffix.lower() in FOREIGN})
    if foreign:
        return f"Convert the photos ({', '.join(foreign)}) to JPEG first."
    deep = [file.parent for file in files if file.suffix.lower() in (*SUFFIXES, *VIDEOS)]
    return f"Name the folder that holds them: {deep[0]}." if deep else "See docs/your-data.md."


def _read(
    kind: str, path: Path, params: CaptureParams, options: IngestOptions, *, seed: int, report: Report | None
) -> Capture:
    from chorus.sources.colmap import read_colmap_project
    from chorus.sources.rgbd import read_rgbd
    from chorus.sources.transforms import read_transforms

    posed = {"transforms": read_transforms, "rgbd": read_rgbd, "colmap": read_colmap_project}
    if kind in posed:
        return posed[kind](path, params, options)
    from chorus.sources.sfm import find_poses
    from chorus.sources.shots import make_capture
    from chorus.sources.video import sharpest_frames

    with scratch_folder("video") as folder:
        if kind == "video":
            photos, lost = sharpest_frames(path, folder, most=params.max_views, report=report)
        else:
            photos, lost = _photos(path), ""
        found = find_poses(path, photos, in_time=kind == "video", seed=seed, report=report)
        notes, skipped = [lost] if lost else [], found.skipped
        if kind == "photos":
            notes, skipped = _not_read(path), skipped + _foreign(photos)
        return make_capture(dataclasses.replace(found, skipped=skipped, notes=[*found.notes, *notes]), params, options)


def _photos(folder: Path) -> list[Path]:
    """The photos of a folder, of its images/ or of its input/, whichever holds most, in the order of their names."""
    from chorus.sources.images import SUFFIXES

    places = [place for place in (folder, folder / "images", folder / "input") if place.is_dir()]
    found = [sorted(path for path in place.iterdir() if path.suffix.lower() in SUFFIXES) for place in places]
    return max(found, key=len, default=[])


def _foreign(photos: list[Path]) -> Counter[str]:
    """What lies beside photos in formats that are not read, unless the same photo is there in one that is."""
    from chorus.sources.images import FOREIGN

    names = {photo.stem for photo in photos}
    suffixes = (path.suffix.lower() for path in photos[0].parent.iterdir() if path.stem not in names)
    return Counter(f"photos in a format that is not read ({s})" for s in suffixes if s in FOREIGN)


def _not_read(folder: Path) -> list[str]:
    """A line for each file of poses beside bare photos: they have been found anew."""
    found = sorted({path.name for pattern in _POSES for path in folder.glob(pattern)})
    return [f"{name} is not read: poses were found from the photos" for name in found]
