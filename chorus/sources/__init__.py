"""What makes a Capture. ingest_folder() reads a folder of real data, whichever of the known kinds it is."""

from __future__ import annotations

from pathlib import Path

from chorus.capture import Capture
from chorus.errors import InputError
from chorus.params import CaptureParams


def folder_kind(folder: Path) -> str:
    """'photos', 'rgbd' or 'unknown', by the files there."""
    from chorus.sources.rgbd import find_frames

    if (Path(folder) / "transforms.json").is_file():
        return "photos"
    return "rgbd" if find_frames(folder) else "unknown"


def ingest_folder(folder: Path, params: CaptureParams) -> Capture:
    """A capture from a folder of photos with transforms.json, or of colour, depth and pose files.

    Raises InputError when the folder is absent, empty or of no known kind, or when too little in it can be read.
    """
    from chorus.sources.photos import read_photos
    from chorus.sources.rgbd import read_rgbd

    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(
            folder,
            expected="a folder of photos or RGB-D frames",
            got="no such folder" if not folder.exists() else "a file",
        )
    if not any(folder.iterdir()):
        raise InputError(folder, expected="a folder of photos or RGB-D frames", got="an empty folder")
    readers = {"photos": read_photos, "rgbd": read_rgbd}
    kind = folder_kind(folder)
    if kind not in readers:
        raise InputError(
            folder,
            expected="transforms.json (photos) or frame-*.color.*, .depth.png, .pose.txt (RGB-D)",
            got="neither: no poses",
            fix="Estimate poses first, for instance with COLMAP and nerfstudio's ns-process-data.",
        )
    return readers[kind](folder, params)
