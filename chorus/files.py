"""Files of others: opened only where they are files, and whatever a decoder trips over is one error."""

from __future__ import annotations

import errno
import os
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING

from chorus.errors import ChorusError, InputError

if TYPE_CHECKING:
    from PIL import Image

_LONGEST = 250  # letters of a name, which systems take
DAMAGED = "The file is cut off or damaged: copy it again."


def regular(path: Path) -> Path:
    """The path itself. Raises OSError for what is no file: reading a device never ends, opening a pipe waits."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "a folder, a device or a pipe, not a file", str(path))
    return Path(path)


def read_file(path: Path) -> bytes:
    """The content of a file. Raises OSError, for a device or a pipe too."""
    return regular(path).read_bytes()


@contextmanager
def reading(where: object, *, expected: str, fix: str = DAMAGED) -> Iterator[None]:
    """What somebody else's decoder raises within it is an InputError of one line: they have errors of their own for
    every kind of damage. MemoryError passes."""
    try:
        yield
    except (ChorusError, MemoryError):
        raise
    except Exception as error:
        got = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
        raise InputError(where, expected=expected, got=got, fix=fix) from error


@contextmanager
def open_picture(source: Path | IO[bytes], formats: tuple[str, ...] | None = None) -> Iterator[Image.Image]:
    """A picture of Pillow's, from a file or a stream, its pixels not yet decoded.

    Raises OSError for whatever Pillow cannot read, be it while the block decodes it; a picture of more than 178 million
    pixels, which a file of a few kilobytes can promise, is among it.
    """
    from PIL import Image  # here: most files are none

    try:
        with Image.open(regular(source) if isinstance(source, Path) else source, formats=formats) as image:
            yield image
    except (ChorusError, OSError):
        raise
    except Exception as error:
        raise OSError(str(error) or type(error).__name__) from error


def find_file(folder: Path, name: str, *, suffixes: tuple[str, ...]) -> Path | None:
    """A file as another machine named it: with / or \\, with or without suffix, of a folder that has moved since.

    It is sought in this folder alone, whatever the name says: a stranger's file of poses reads nothing else of yours.
    Where no name is the same, one counts that differs in capitals, or in how accents are written, as names from
    Windows and macOS do.
    """
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    tails = [parts[start:] for start in range(len(parts)) if ".." not in parts[start:]]
    if "\0" in name or max(map(len, parts), default=0) > _LONGEST:
        return None
    named = [[*tail[:-1], tail[-1] + suffix] for tail in tails for suffix in suffixes]
    exact = (folder.joinpath(*words) for words in named)
    found = next((place for place in exact if place.is_file()), None)
    return found or next((place for words in named if (place := _alike(folder, words)) is not None), None)


def _alike(folder: Path, words: list[str]) -> Path | None:
    """The file that lies under these names but for capitals and the way accents are written."""
    for word in words:
        place = _entries(folder, os.stat(folder).st_mtime_ns).get(_plain(word)) if folder.is_dir() else None
        if place is None:
            return None
        folder = place
    return folder if folder.is_file() else None


@lru_cache(maxsize=64)
def _entries(folder: Path, changed: int) -> dict[str, Path]:
    """What lies in a folder by plain names; changed: when it last did."""
    return {_plain(path.name): path for path in sorted(folder.iterdir(), reverse=True)}


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
