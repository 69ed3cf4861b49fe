"""The folder whose scenes a server may open, and nothing outside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from chorus.encoder.shipped import SAMPLE_NAME
from chorus.errors import InputError
from chorus.io import is_splat_file
from chorus.names import did_you_mean
from chorus.serve.refusals import Outside, Unknown

MOST_LISTED = 1000
LONGEST = 100  # letters of a name in a message


class Folder:
    """root: the folder that was allowed, links resolved; None: the room that ships alone."""

    def __init__(self, root: Path | None):
        """Raises InputError where there is no such folder."""
        if root is not None and not root.is_dir():
            got = "a file" if root.exists() else "nothing there"
            raise InputError(root, expected="a folder of scenes", got=got)
        self.root = None if root is None else root.resolve()

    def find(self, name: str) -> Path:
        """The file or folder of a scene by its path below the root, links resolved.

        Raises Outside for one that leads out of it, by its name or through a link, Unknown where nothing is.
        """
        if self.root is None:
            fix = "Give the server --scenes."
            raise Unknown(_told(name), expected=f"the scene {SAMPLE_NAME}", got="another", fix=fix)
        path = self._inside(self.root / name, name)
        if not (os.path.isfile(path) or os.path.isdir(path)):  # of a name that is too long neither is true
            near = did_you_mean(name, self.names())
            raise Unknown(_told(name), expected="a scene of the server's folder", got="nothing there", fix=near)
        if path.is_dir():
            for child in path.iterdir():
                self._inside(child, name)
        return path

    def names(self) -> list[str]:
        """The scenes there are, as :meth:`find` takes them: at most MOST_LISTED."""
        return [] if self.root is None else sorted(islice(self._walk(self.root), MOST_LISTED))

    def _walk(self, root: Path) -> Iterator[str]:
        for folder, below, files in os.walk(root):
            here = Path(folder)
            whole = [name for name in below if is_splat_file(here / name)]
            below[:] = [name for name in sorted(below) if name not in whole and not name.startswith(".")]
            for name in sorted([*whole, *files]):
                path = here / name
                if not name.startswith(".") and is_splat_file(path) and _leads_into(root, path):
                    yield path.relative_to(root).as_posix()

    def _inside(self, path: Path, name: str) -> Path:
        try:
            found = path.resolve()
        except (OSError, ValueError, RuntimeError) as error:  # a loop of links, a NUL
            got = getattr(error, "strerror", None) or "one that leads nowhere"  # its own text holds the whole path
            raise Unknown(_told(name), expected="a path of the server's folder", got=got) from error
        if self.root is None or not found.is_relative_to(self.root):
            raise Outside(_told(name), expected="a path inside the server's folder of scenes", got="one outside it")
        return found


def _leads_into(root: Path, path: Path) -> bool:
    try:
        return path.resolve(strict=True).is_relative_to(root)
    except (OSError, RuntimeError):  # a link to nothing, or to itself
        return False


def _told(name: str) -> str:
    return repr(name if len(name) <= LONGEST else name[:LONGEST] + "...")
