"""What a stage surely needs of disk and memory, asked for before it starts: arrays it holds and files it writes, no
guess at what the allocator adds. Where sizes are known only inside (teacher views, targets, trainings) the library
asks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chorus.encoder.checkpoint import WEIGHTS
from chorus.evaluate.rooms import Rooms
from chorus.json_files import read_json
from chorus.params import CaptureParams, FitParams
from chorus.room import require_disk, require_memory
from chorus.store import Store
from chorus.teachers.rows import RowFile

PIXEL_ON_DISK = 2  # bytes: a lossless image with depth and labels; 2.2 in the rooms of the demo
PIXEL_HELD = 10  # bytes: color, depth, class, instance
PIXEL_FITTED = 15  # bytes: color, depth, and the last error and depth that were rendered of it
GAUSSIAN_ON_DISK = 68  # bytes: 17 numbers of a .ply
GAUSSIAN_FITTED = 17 * 4 * 4  # bytes: itself, its gradient and two means of it
METHODS = 5  # whose language features a report holds of a room
VIEW_TAUGHT = 250e3  # bytes of a view's maps, kept while the embedded teachers are trained
SHAPE = 0.75  # of a picture: its height over its width, where nobody has looked yet
REPORT = 20e6  # bytes of a report with its pictures; 11 million in the demo
FEWER = "Take fewer or smaller views (capture in params.yaml), or use a larger machine."


def of_room(params: CaptureParams, out: Path) -> None:
    """Ask for what the renders of a room take. Raises InputError, as all of them here."""
    pixels = params.views * params.width * params.height
    require_disk(out, PIXEL_ON_DISK * pixels, what=f"{params.views} views of a room")
    require_memory(PIXEL_HELD * pixels, what=f"rendering {params.views} views", fix=FEWER)


def of_splats(file: Path, params: CaptureParams, out: Path) -> None:
    """Ask for what splats take that come as a file: read, turned upright and written once more, with views of them."""
    size = sum(path.stat().st_size for path in _files(file))
    require_disk(out, size + PIXEL_ON_DISK * params.views * params.width * params.height, what=f"a copy of {file.name}")
    require_memory(2.0 * size, what=f"reading {file.name}", fix="Bring a part of it, or use a larger machine.")


def of_folder(folder: Path, params: CaptureParams, out: Path) -> None:
    """Ask for what a dropped folder of photos or RGB-D frames, or a video, takes: at most capture.max_views of it."""
    views = min(params.max_views, len(_files(folder))) if folder.is_dir() else params.max_views
    pixels = views * SHAPE * max(params.photo_long_side, params.rgbd_long_side) ** 2
    require_disk(out, PIXEL_ON_DISK * pixels, what=f"{views} views of {folder.name}")
    require_memory(PIXEL_HELD * pixels, what=f"reading {views} views of {folder.name}", fix=FEWER)


def of_fit(capture: Path, params: FitParams, out: Path) -> None:
    """Ask for what fitting Gaussians to a capture takes."""
    spec = _cameras(capture)
    pixels = _pixels(spec)
    gaussians, _ = params.effort(spec.get("info", {}).get("source"))
    require_disk(out, GAUSSIAN_ON_DISK * gaussians, what=f"{gaussians} Gaussians")
    fix = "Lower fit.max_gaussians, or use a larger machine."
    require_memory(PIXEL_FITTED * pixels + GAUSSIAN_FITTED * gaussians, what=f"fitting {gaussians} Gaussians", fix=fix)


def of_teachers(store: Store, names: Sequence[str]) -> None:
    """Ask for what training the embedded teachers on these rooms' views takes."""
    views = sum(len(_cameras(store.scene(name, "capture"))["views"]) for name in names)
    require_disk(store.training("embedded"), VIEW_TAUGHT * views, what=f"the maps of {views} views")


def of_report(store: Store, rooms: Rooms, out: Path) -> None:
    """Ask for what a report holds at once: language features of every Gaussian of the rooms it scores, a method each,
    and the views of the rooms it shows."""
    needed = 0.0
    for name in rooms.scored():
        rows = RowFile.open(store.scene(name, "targets"))
        needed += METHODS * 4 * len(rows) * rows.channels.get("lang", 0)
    for name in rooms.test:
        needed += PIXEL_HELD * _pixels(_cameras(store.scene(name, "capture")))
    require_disk(out, REPORT, what="a report")
    count = len(rooms.scored())
    require_memory(needed, what=f"scoring {count} rooms", fix="List fewer rooms, or use a larger machine.")


def of_export(encoder: Path, out: Path) -> None:
    """Ask for what an export of both variants writes: half of what they are."""
    size = sum(path.stat().st_size for path in _files(encoder) if path.name == WEIGHTS)
    require_disk(out, size / 2, what="the encoder's weights")


def _pixels(spec: dict) -> int:
    """Of all views of a capture. spec: its cameras.json."""
    return len(spec["views"]) * spec["width"] * spec["height"]


def _cameras(capture: Path) -> dict:
    return read_json(capture / "cameras.json", fix="Make that capture again.")


def _files(place: Path) -> list[Path]:
    """A file itself, or every file below a folder."""
    return [path for path in place.rglob("*") if path.is_file()] if place.is_dir() else [place]
