"""A guarded server ends with who started it, and takes its children along."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.run import guard
from tests.pipeline.processes import alive, wait_until

ROOT = Path(__file__).parents[2]
# A server with a child of its own, in which SIGINT is ignored, as of everything started in the background of a script.
SERVER = """
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
{deaf}
child = subprocess.Popen([sys.executable, "-c", "import signal, time; {deaf}; time.sleep(100)"])
print(child.pid, flush=True)
time.sleep(100)
"""
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"


PATIENCE = 1.5
IMPATIENT = f"import sys; from orchestration.run import guard; guard.PATIENCE = {PATIENCE}; guard.main(sys.argv[1:])"


def start(deaf: str = "pass") -> tuple[subprocess.Popen, int]:
    command = [sys.executable, "-c", IMPATIENT, sys.executable, "-c", SERVER.format(deaf=deaf)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return process, int(process.stdout.readline())


@pytest.mark.parametrize("deaf", ["pass", DEAF], ids=["polite", "deaf to SIGTERM"])
@pytest.mark.parametrize("how", ["closed", signal.SIGTERM, signal.SIGINT])
def test_all_of_a_server_ends(how, deaf):
    process, child = start(deaf)
    if how == "closed":
        process.stdin.close()
    else:
        process.send_signal(how)
    process.wait(PATIENCE + 10)
    assert not alive(child)


def test_a_server_that_ends_by_itself_leaves_no_child_and_its_exit_code():
    code = "import subprocess, sys; print(subprocess.Popen(['sleep', '100']).pid, flush=True); sys.exit(3)"
    command = [sys.executable, guard.__file__, sys.executable, "-c", code]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    child = int(process.stdout.readline())
    assert process.wait(2.5 * guard.PATIENCE) == 3 and not alive(child)


def test_a_killed_starter_takes_the_server_along(tmp_path):
    told = tmp_path / "pid"
    code = f"""
import subprocess, sys, time
server = [sys.executable, "-c", "import os, time; open({str(told)!r}, 'w').write(str(os.getpid())); time.sleep(100)"]
subprocess.Popen([sys.executable, {guard.__file__!r}, *server], stdin=subprocess.PIPE, start_new_session=True)
time.sleep(100)
"""
    starter = subprocess.Popen([sys.executable, "-c", code])
    wait_until(lambda: told.exists() and told.read_text())
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    wait_until(lambda: not alive(int(told.read_text())), seconds=10)
