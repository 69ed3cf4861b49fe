"""One thread a process: pytest runs as many processes as there are cores."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest
from hypothesis import HealthCheck, settings

# The default suite draws the same examples every time; CHORUS_EXAMPLES=random (make test-all) draws new ones.
for name, fixed in (("fixed", True), ("random", False)):
    settings.register_profile(
        name, deadline=None, derandomize=fixed, print_blob=not fixed, suppress_health_check=[HealthCheck.too_slow]
    )
settings.load_profile(os.environ.get("CHORUS_EXAMPLES", "fixed"))


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    import torch

    torch.set_num_threads(1)
