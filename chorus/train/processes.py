"""Work in processes of their own, one thread each: one process a core scales better than threads."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading

KILLED = "a worker process was killed, most often for want of memory; try --jobs 1"
THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def begin_worker() -> None:
    """In a new worker, before anything heavy is imported: one thread, and no life beyond the parent's."""
    os.environ.update(THREADS)
    threading.Thread(target=_follow_parent, daemon=True).start()


def begin_quiet_worker() -> None:
    """The same, and Ctrl-C is left to the parent."""
    begin_worker()
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
