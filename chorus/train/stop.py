"""A training asked to stop ends its step, keeps its checkpoint and says so: SIGTERM (a machine taken away), Ctrl-C."""

from __future__ import annotations

import signal
import threading
from types import FrameType

from chorus.errors import Interrupted, Preempted


class StopRequests:
    """``with StopRequests() as stop: ... stop.asked`` - signals become a flag while this lasts.

    Only in the main thread, the one that receives signals, and only where nothing else handles them already; a second
    Ctrl-C interrupts at once.
    """

    def __init__(self) -> None:
        self.asked: signal.Signals | None = None
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> StopRequests:
        if threading.current_thread() is threading.main_thread():
            for number, default in ((signal.SIGTERM, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)):
                if signal.getsignal(number) is default:
                    self._before[number] = default
                    signal.signal(number, self._ask)
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked is signal.SIGINT and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = signal.Signals(number)


def preempted(where: object, *, done: int, steps: int, signal_number: int) -> Preempted:
    """What is raised once the checkpoint is written."""
    return (Interrupted if signal_number == signal.SIGINT else Preempted)(
        where,
        expected=f"{steps} steps",
        got=f"a request to stop after step {done}, which is kept",
        fix="Run the same command again: it goes on from there.",
    )
