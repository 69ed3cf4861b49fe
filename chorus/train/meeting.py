"""Where the ranks of one machine meet: in files of this user, and on loopback. torch's own meeting point would listen
on every address of the machine, and let in whoever comes. Ranks that somebody else started meet as torch has it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

MEETING = "CHORUS_MEETING"  # a path that nothing lies at yet
_LOOPBACK = "lo" if sys.platform == "linux" else "lo0"


def meeting(path: Path) -> dict[str, str]:
    """What the environment of a job's processes says of it. path: in a folder that lives as long as the job."""
    torchs = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    return {MEETING: str(path), "GLOO_SOCKET_IFNAME": _LOOPBACK, "NCCL_SOCKET_IFNAME": _LOOPBACK, **torchs}


def at_the_meeting() -> list[str]:
    """Options of torchrun."""
    path = os.environ.get(MEETING)
    if path is None:
        return ["--standalone"]
    where = [f"--rdzv-endpoint={path}.torchrun", "--rdzv-backend=c10d", "--rdzv-conf=store_type=file"]
    return ["--nnodes=1", "--local-addr=127.0.0.1", *where]


def place_of(rank: int, size: int) -> dict[str, Any]:
    """Arguments of ``init_process_group``; none where the ranks were started otherwise."""
    path = os.environ.get(MEETING)
    if path is None:
        return {}
    from torch.distributed import FileStore  # pyright: ignore[reportPrivateImportUsage]

    return {"store": FileStore(path, size), "rank": rank, "world_size": size}
