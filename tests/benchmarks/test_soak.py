import os
import signal
import subprocess
import sys
import time

import pytest

from benchmarks.soak import Server, size_of


def server(memory: list[float], descriptors: list[int]) -> Server:
    looks = [(float(i), one, two) for i, (one, two) in enumerate(zip(memory, descriptors, strict=True))]
    return Server("x", [], lambda: None, looks=looks)


@pytest.mark.parametrize(
    ("memory", "descriptors", "grew"),
    [
        ([1e8] * 9, [40] * 9, False),
        ([1e8] * 3 + [5e8] * 6, [10] * 3 + [40] * 6, False),  # while it warmed up
        ([1e8 * i for i in range(1, 10)], [40] * 9, True),
        ([1e8] * 9, [10 * i for i in range(9)], True),
        ([5e8] * 6 + [5.2e8] * 3, [40] * 6 + [44] * 3, False),  # what a cache and a few connections are
    ],
)
def test_what_counts_as_growth(memory, descriptors, grew):
    found = server(memory, descriptors)
    assert found.grew is grew and ("GREW" in str(found)) is grew


def test_children_are_counted():
    child = "import time; a = b'x' * 10**8; time.sleep(60)"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    process = subprocess.Popen([sys.executable, "-c", script], start_new_session=True)
    found = Server("x", [], lambda: None, process=process)
    try:
        while size_of(found)[0] < 1e8:
            assert process.poll() is None
            time.sleep(0.05)
        assert size_of(found)[1] >= 6
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
