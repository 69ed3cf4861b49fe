"""Videos as photos: of each stretch of time the sharpest frame."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from chorus.errors import InputError
from chorus.files import regular

_SMALL = 320  # pixels: sharpness is judged on small copies
_FEWEST = 12  # frames, to make anything of a video
_FLAT = "Export a flat video first, for instance with ffmpeg -i IN -vf v360=e:flat:h_fov=90:v_fov=60 OUT.mp4."
_SAYS_SPHERICAL = (b"GSpherical:Spherical>true", b"sv3d", b"equirectangular")  # Google's two ways to say it
_MOST = 64 << 20  # bytes of a film's description
_WHOLE = 0.98  # of the frames a container promises: some only estimate them
_IN_A_ROW = 100  # frames that cannot be read, before the rest is given up


def sharpest_frames(
    video: Path, out: Path, *, most: int, report: Callable[[str, int, int], None] | None = None
) -> tuple[list[Path], str]:
    """Write the sharpest frame of each of ``most`` equal windows to ``out`` as PNG, upright as the phone was held;
    their paths in order, and a line where part of the video could not be read, or "".

    Sharpness is the variance of the Laplacian. Raises InputError for a file OpenCV cannot decode, and for a panorama
    as its file declares it.
    """
    if _spherical(video):
        raise InputError(
            video, expected="a video of a plain camera", got="a spherical one, as its file says", fix=_FLAT
        )
    reader = cv2.VideoCapture(str(video))
    try:
        if not reader.isOpened():
            raise _unreadable(video, "a file OpenCV cannot decode")
        count = _count(reader, video)
        if count < _FEWEST:
            raise _unreadable(video, f"{count} frames")
        window = max(1.0, count / most)
        out.mkdir(parents=True, exist_ok=True)
        best: tuple[float, int, np.ndarray] | None = None
        paths: list[Path] = []
        read = 0
        for number, frame in _frames(reader, count):
            read += 1
            if report is not None and number % 50 == 0:
                report("frames", number, count)
            if best is not None and int(number / window) != int(best[1] / window):
                paths.append(_write(out, best))
                best = None
            score = _sharpness(frame)
            if best is None or score > best[0]:
                best = (score, number, frame)
        if read < _FEWEST or best is None:
            raise _unreadable(video, f"{read} that can be read, of {count}")
        paths.append(_write(out, best))
    finally:
        reader.release()
    return paths, f"{count - read} of the video's {count} frames could not be read" if read < _WHOLE * count else ""


def _spherical(video: Path) -> bool:
    """Whether the description (moov) of an .mp4 or .mov says that its pictures are panoramas."""
    with open(regular(video), "rb") as stream:
        while len(head := stream.read(8)) == 8:
            size, start = int.from_bytes(head[:4], "big"), stream.tell() - 8
            if size == 1:
                size = int.from_bytes(stream.read(8), "big")
            if head[4:] == b"moov":
                said = stream.read(min(size, _MOST))
                return any(sign in said for sign in _SAYS_SPHERICAL)
            if size < 8:
                break
            stream.seek(start + size)
    return False


def _frames(reader: cv2.VideoCapture, count: int) -> Iterator[tuple[int, np.ndarray]]:
    """(number, frame) of all that can be read: what follows a damaged one often can."""
    lost = 0
    for number in range(count):
        if (frame := _next(reader)) is not None:
            lost = 0
            yield number, frame
        elif (lost := lost + 1) == _IN_A_ROW:
            return


def _next(reader: cv2.VideoCapture) -> np.ndarray | None:
    """The next frame; None for a damaged one and after the last."""
    try:
        good, frame = reader.read()
    except cv2.error:
        return None
    return frame if good else None


def _count(reader: cv2.VideoCapture, video: Path) -> int:
    """The number of frames; counted by decoding where the container does not tell."""
    count = int(reader.get(cv2.CAP_PROP_FRAME_COUNT))
    if count > 0:
        return count
    count = 1 + max((number for number, _ in _frames(reader, sys.maxsize)), default=-1)
    reader.open(str(video))
    return count


def _sharpness(frame: np.ndarray) -> float:
    scale = _SMALL / max(frame.shape[:2])
    grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else grey
    return float(cv2.Laplacian(small, cv2.CV_32F).var())


def _write(out: Path, best: tuple[float, int, np.ndarray]) -> Path:
    path = out / f"{best[1]:06d}.png"
    cv2.imwrite(str(path), best[2], [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return path


def _unreadable(video: Path, got: str) -> InputError:
    return InputError(
        video,
        expected=f"a video of at least {_FEWEST} frames",
        got=got,
        fix="Convert it, for instance with ffmpeg -i IN -c:v libx264 OUT.mp4.",
    )
