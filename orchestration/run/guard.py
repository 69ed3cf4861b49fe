"""A server that does not outlive who started it.

python -m orchestration.run.guard COMMAND ...

Runs the command in a session of its own. When the command ends, our standard input closes (whoever holds the other end
is gone) or a signal asks for it, everything in that session ends: asked first, killed after a few seconds. The exit
code is the command's.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

PATIENCE = 5.0  # seconds between asking and killing


class _Asked(Exception):
    """A signal asked for the end."""


def main(argv: Sequence[str]) -> int:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _ask)
    server = subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        while server.poll() is None and not _closed(0.2):
            pass
    except _Asked:
        pass
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    end(server)
    return server.returncode


def end(server: subprocess.Popen) -> None:
    """End every process of the server's session."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + PATIENCE
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, how)
            while time.monotonic() < deadline:
                server.poll()  # reaps it: a dead leader would keep the group alive
                os.killpg(server.pid, 0)
                time.sleep(0.05)
    server.wait()


def _closed(seconds: float) -> bool:
    """Whether the other end of our standard input is gone, after waiting so long for it."""
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(ready) and not os.read(sys.stdin.fileno(), 1)


def _ask(*_) -> None:
    raise _Asked


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
