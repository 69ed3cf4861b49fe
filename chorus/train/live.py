"""The figures of a training while it runs: a file of JSON lines beside its checkpoint, for any process to follow.

The first line says which run it is, {run, first, steps}; then comes each row of the loss curve as it is made, with the
seconds this process has trained for. A resumed run begins a new file with the rows it kept. The file goes when the
training is over: the curve is then in curves.csv.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from chorus.store import atomic_file

FILE = "figures.jsonl"


class Figures:
    """Writes the file in a folder. run: what the training is made from; first: the step it begins at; rows: those it
    kept."""

    def __init__(self, folder: Path, *, run: str, first: int, steps: int, rows: Sequence[dict]):
        self.path, self._began = Path(folder) / FILE, time.monotonic()
        with atomic_file(self.path, lasting=False) as temporary:
            lines = [{"run": run, "first": first, "steps": steps}, *rows]
            temporary.write_text("".join(json.dumps(line) + "\n" for line in lines))
        self._stream = open(self.path, "a")

    def write(self, row: dict) -> None:
        """One line, out of this process at once."""
        self._stream.write(json.dumps({**row, "seconds": round(time.monotonic() - self._began, 3)}) + "\n")
        self._stream.flush()

    def close(self, *, over: bool) -> None:
        """over: the training is done, so the file goes."""
        self._stream.close()
        if over:
            self.path.unlink(missing_ok=True)


class Follower:
    """Reads the file of a folder as it grows, and from the start when another run (or a resumed one) begins it anew.

    since: time.time(), before which a file was last written by a process that is gone.
    """

    def __init__(self, folder: Path, *, since: float = 0.0):
        self.path, self._since = Path(folder) / FILE, since
        self._file, self._read = 0, 0
        self.head: dict | None = None  # the first line, once there is one

    def new(self) -> list[dict]:
        """Rows written since the last call; a line still being written comes with the next."""
        try:
            with open(self.path, "rb") as stream:
                state = self.path.stat()
                if state.st_mtime < self._since:
                    return []
                if state.st_ino != self._file or state.st_size < self._read:
                    self._file, self._read, self.head = state.st_ino, 0, None
                stream.seek(self._read)
                whole, _, _ = stream.read().rpartition(b"\n")
        except OSError:
            return []
        if not whole:
            return []
        self._read += len(whole) + 1
        try:
            lines = [json.loads(line) for line in whole.decode().splitlines()]
        except ValueError:
            return []
        if self.head is None:
            self.head = lines.pop(0)
        return lines
