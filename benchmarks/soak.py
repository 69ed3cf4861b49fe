"""The viewer, the served model and both interfaces for a while under requests: is memory flat, are descriptors?

python -m benchmarks.soak [--minutes 30] [--folder DIR]       make soak

Prints a line a server, at the end and at every look, and ends with 1 where one grew. The first third of the time is
for warming up: what is loaded once, what caches hold.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tyro

ROOT = Path(__file__).parents[1]
HOST = "127.0.0.1"
PAUSE, LOOK = 1.0, 15.0  # seconds between two rounds of requests, and two looks
GROWTH, MARGIN = 1.05, 30e6  # what the last third may be of the middle one, and bytes beside
MORE = 8  # descriptors the last third may have more
PATIENCE = 300  # seconds until a server answers
STATUS = "{ assetNodes { assetKey { path } partitionStats { numMaterialized } } }"


@dataclass
class Server:
    """A process with all that it starts, and what is asked of it. looks: (seconds, bytes, descriptors)."""

    name: str
    command: Sequence[str]
    ask: Callable[[], object]
    process: subprocess.Popen | None = None
    asked: int = 0
    looks: list[tuple[float, float, int]] = field(default_factory=list)

    @property
    def grew(self) -> bool:
        """Whether the last third of the looks lies above the middle one."""
        third = len(self.looks) // 3
        middle, last = self.looks[third : 2 * third], self.looks[2 * third :]
        if not middle:
            return False
        bytes_grew = _middle(look[1] for look in last) > GROWTH * _middle(look[1] for look in middle) + MARGIN
        return bytes_grew or _middle(look[2] for look in last) > _middle(look[2] for look in middle) + MORE

    def __str__(self) -> str:
        """One line: memory and descriptors of the middle and the last third."""
        third = max(1, len(self.looks) // 3)
        parts = [self.looks[third : 2 * third] or self.looks, self.looks[2 * third :] or self.looks]
        memory, open_ = ([_middle(look[i] for look in part) for part in parts] for i in (1, 2))
        return (
            f"{self.name}: {self.asked} rounds; {memory[0] / 1e6:.0f} MB, then {memory[1] / 1e6:.0f}; "
            f"{open_[0]:.0f} descriptors, then {open_[1]:.0f}{'; GREW' if self.grew else ''}"
        )


def main(minutes: float = 30.0, folder: Path | None = None) -> None:
    """minutes: under requests; folder: a workspace for the interfaces, an empty one when absent."""
    with tempfile.TemporaryDirectory(prefix="chorus-soak-") as empty:
        root = folder or Path(empty)
        if folder is None:
            shutil.copyfile(ROOT / "params.yaml", root / "params.yaml")
            (root / "data").mkdir()
        servers = started(root)
        try:
            for server in servers:
                _until_answered(server)
            soak(servers, 60 * minutes)
        finally:
            for server in servers:
                _end(server)
    print("\n".join(map(str, servers)))
    sys.exit(1 if any(server.grew for server in servers) else 0)


def started(root: Path) -> list[Server]:
    """All of them, on free ports, over one workspace."""
    viewer, served, dagster, mlflow = _ports(4)
    own = {"CHORUS_ROOT": str(root), "CHORUS_PARAMS": "", "DAGSTER_HOME": "", "MLFLOW_TRACKING_URI": ""}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    env = {**os.environ, **own, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    cli, ui = [sys.executable, "-m", "chorus.cli"], [sys.executable, "-m", "orchestration.run.ui"]
    ports = ["--dagster-port", str(dagster), "--mlflow-port", str(mlflow)]
    servers = [
        Server("viewer", [*cli, "view", "sample", "--port", str(viewer)], lambda: _visit(viewer)),
        Server("served model", [*cli, "serve", "--port", str(served)], lambda: _questions(served)),
        Server("interfaces", [*ui, *ports], lambda: _status(dagster, mlflow)),
    ]
    for server in servers:
        server.process = subprocess.Popen(
            server.command, cwd=root, env=env, stdout=subprocess.DEVNULL, start_new_session=True
        )
    return servers


def soak(servers: Sequence[Server], seconds: float) -> None:
    """Ask each in turn for so long, and look at them now and then."""
    start, last = time.monotonic(), -LOOK
    while (now := time.monotonic() - start) < seconds:
        for server in servers:
            server.ask()
            server.asked += 1
        if now - last >= LOOK:
            last = now
            for server in servers:
                server.looks.append((now, *size_of(server)))
            latest = [f"{server.looks[-1][1] / 1e6:.0f} MB, {server.looks[-1][2]} open" for server in servers]
            print(f"{now:.0f} s: {'; '.join(latest)}", flush=True)
        time.sleep(PAUSE)


def size_of(server: Server) -> tuple[float, int]:
    """Bytes of memory that its processes have to themselves or their share of, and their open descriptors."""
    memory, count = 0.0, 0
    for process in _below(server.process.pid) if server.process is not None else ():
        try:
            rollup = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
            memory += 1024 * next(float(line.split()[1]) for line in rollup if line.startswith("Pss:"))
            count += len(os.listdir(f"/proc/{process}/fd"))
        except (OSError, StopIteration):  # it has just ended
            continue
    return memory, count


def _below(process: int) -> list[int]:
    """A process and all that came from it; guards start sessions of their own."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [process]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def _visit(port: int) -> None:
    """The page, and what a browser does next: it connects, is sent the scene, and leaves."""
    import viser
    from websockets.sync.client import connect

    _get(port, "/")
    protocol = f"viser-v{viser.__version__}"
    with connect(f"ws://{HOST}:{port}", subprotocols=[protocol], max_size=None, open_timeout=PATIENCE) as socket_:
        socket_.recv(timeout=PATIENCE)


def _questions(port: int) -> None:
    """Open a scene, ask it words, point into it, and forget it now and then."""
    scene = _post(port, "/scenes", {"path": "sample"})["id"]
    _post(port, f"/scenes/{scene}/query", {"words": ["where i sleep", "a lamp by the bed"]})
    _get(port, f"/scenes/{scene}/objects")
    _get(port, "/metrics")
    if int(time.monotonic()) % 10 == 0:
        request = urllib.request.Request(f"http://{HOST}:{port}/scenes/{scene}", method="DELETE")
        urllib.request.urlopen(request, timeout=PATIENCE).close()


def _status(dagster: int, mlflow: int) -> None:
    _post(dagster, "/graphql", {"query": STATUS})
    _get(dagster, "/")
    _get(mlflow, "/api/2.0/mlflow/experiments/search?max_results=10")


def _get(port: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://{HOST}:{port}{path}", timeout=PATIENCE) as answer:
        return answer.read()


def _post(port: int, path: str, body: Mapping[str, object]) -> dict:
    data, kind = json.dumps(body).encode(), {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://{HOST}:{port}{path}", data, kind)
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.load(answer)


def _until_answered(server: Server) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            server.ask()
            return
        except OSError as error:
            if time.monotonic() > end or (server.process is not None and server.process.poll() is not None):
                raise SystemExit(f"soak: {server.name}: expected an answer, got {error}") from error
            time.sleep(1)


def _end(server: Server) -> None:
    if server.process is not None and server.process.poll() is None:
        server.process.send_signal(signal.SIGTERM)
        try:
            server.process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(server.process.pid, signal.SIGKILL)


def _ports(count: int) -> list[int]:
    """Free ones, none twice: held together, then let go."""
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind((HOST, 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def _middle(values) -> float:
    ordered = sorted(values)
    return float(ordered[len(ordered) // 2])


if __name__ == "__main__":
    tyro.cli(main)
