"""Which processes there are (Linux), and the same done in several at once."""

import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path


def alive(process: int) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def bearing(mark: str) -> list[int]:
    """Processes with this text in their environment, our own aside."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int(folder.name) != os.getpid() and mark.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return [process for process in found if alive(process)]


def wait_until(holds: Callable[[], object], *, seconds: float = 30.0) -> None:
    """Return once it holds; fails when it takes longer."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


def failing_at_once(do: Callable[[], object], *, processes: int = 4) -> int:
    """In how many of so many forked processes, which all begin at the same moment, it raises. Forked: importing what
    it needs once more in each would take the test's time."""
    context = multiprocessing.get_context("fork")
    start, failed = context.Barrier(processes), context.Value("i", 0)

    def one() -> None:
        start.wait(60)
        try:
            do()
        except BaseException:
            with failed.get_lock():
                failed.value += 1

    started = [context.Process(target=one) for _ in range(processes)]
    for process in started:
        process.start()
    for process in started:
        process.join(120)
    return failed.value
