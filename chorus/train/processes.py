"""Work in processes of their own, one thread each: one process a core scales better than threads."""

from __future__ import annotations

import multiprocessing
import os
import socket
import threading
from pathlib import Path

KILLED = "a worker process was killed, most often for want of memory; try --jobs 1"
THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def begin_worker() -> None:
    """In a new worker, before anything heavy is imported: one thread, and no life beyond the parent's."""
    os.environ.update(THREADS)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def this_process() -> str:
    """One word that no other process bears: host, number, and when it began, for numbers are given again."""
    return f"{socket.gethostname()}:{os.getpid()}:{_began(os.getpid())}"


def is_gone(process: str) -> bool:
    """Whether a process of this machine, by its word, has ended; of another machine nobody knows."""
    host, number, began = process.rsplit(":", 2)
    return host == socket.gethostname() and _began(int(number)) != began


def _began(number: int) -> str:
    """When a process began, in the kernel's own count; empty where there is none, or only what is left of one."""
    try:
        state, *fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "" if Path("/proc/self").exists() else _alive(number)
    return "" if state == "Z" else fields[18]


def _alive(number: int) -> str:
    """Where there is no /proc: whether there is a process of that number."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    return "alive"
