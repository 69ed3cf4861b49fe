"""A process that reads damaged files of some kinds one by one and prints, a JSON line each, what no reader may do.

python -m tests.fuzz.worker FOLDER KIND=SEEDS...        SEEDS: 0-99, or 3,58,141

A process of its own: memory is bounded for all of it (what the honest sample needs twice, and 200 MB), a reader that
hangs in C is ended by a watchdog, and a crash takes nobody with it; FOLDER/at then says where it stood.
"""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random

from chorus.errors import ChorusError
from tests.fuzz.kinds import KINDS, Kind
from tests.fuzz.mutate import mutated

SECONDS, ROOM = 5, 200 * 10**6  # of processor time, bytes
HUNG = 60  # seconds by the clock: long, for other processes may have the cores


class TooLong(BaseException):
    """A reader that took more than SECONDS; no handler of errors may take it for one."""


def main(folder: Path, asked: list[str]) -> None:
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGPROF, _too_long)
    for name, _, seeds in (words.partition("=") for words in asked):
        first, _, last = seeds.partition("-")
        numbers = range(int(first), int(last) + 1) if last else [int(seed) for seed in seeds.split(",")]
        for found in read_damaged(KINDS[name], name, folder, numbers):
            print(json.dumps(found), flush=True)


def read_damaged(kind: Kind, name: str, folder: Path, seeds: Iterable[int]):
    """What went wrong, a dict each. Damaged files that did it are kept in FOLDER/found."""
    place = folder / name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    read = kind.make(place)
    honest = {path: path.read_bytes() for path in sorted(place.glob(kind.files)) if path.is_file()}
    need = _needed(lambda: kind.read(read))
    with open(folder / "at", "w") as at:
        for seed in seeds:
            draw = Random(f"{name} {seed}")
            path = draw.choice(list(honest))
            data = mutated(honest[path], draw)
            os.pwrite(at.fileno(), f"{name} {seed} {path.name:40}".encode(), 0)
            path.write_bytes(data)
            problem = _problem(kind, read, need)
            if problem:
                kept = folder / "found" / f"{name}-{seed}-{path.name}"
                kept.parent.mkdir(exist_ok=True)
                kept.write_bytes(data)
                yield {"kind": name, "seed": seed, "file": path.name, "problem": problem}
            path.write_bytes(honest[path])
    shutil.rmtree(place, ignore_errors=True)


def _problem(kind: Kind, read: Path, need: int) -> str:
    """What a reader did that it must not; empty where it read the file or refused it in one line."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_status("VmSize") + 2 * need + ROOM, hard))
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    faulthandler.dump_traceback_later(HUNG, exit=True)
    try:
        kind.read(read)
    except ChorusError as error:
        return "" if "\n" not in str(error) and len(str(error)) < 2000 else f"more than a line: {error}"
    except TooLong as error:
        return f"more than {SECONDS} s: {_where(error)}"
    except Exception as error:  # that is what is sought
        return f"{type(error).__name__}: {str(error)[:200]} at {_where(error)}"
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    return ""


def _where(error: BaseException) -> str:
    """The innermost line of Chorus that the error passed through."""
    at, trace = "", error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if "/chorus/" in file:
            at = f"chorus/{file.partition('/chorus/')[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return at


def _needed(read: Callable[[], object]) -> int:
    """Bytes at the peak of reading the honest sample; read once before, for what is loaded only once."""
    read()
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    read()
    return max(0, _status("VmHWM") - before)


def _status(name: str) -> int:
    with open("/proc/self/status") as lines:
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


def _too_long(*_) -> None:
    raise TooLong


if __name__ == "__main__":
    began = time.monotonic()
    main(Path(sys.argv[1]), sys.argv[2:])
    print(f"{time.monotonic() - began:.1f} s", file=sys.stderr)
