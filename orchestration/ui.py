"""Both user interfaces over the same state: Dagster's assets and MLflow's runs, on loopback, until Ctrl-C.

python -m orchestration.ui [--dagster-port 3000] [--mlflow-port 5000]
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chorus.errors import ChorusError, MissingError, StoreError
from chorus.store import Store, root_folder
from orchestration import tracking
from orchestration.crew import THREADS
from orchestration.resources import prepare_state

HOST = "127.0.0.1"
PATIENCE = 180  # seconds until a server counts as broken; MLflow's may take 90


@dataclass(frozen=True)
class Server:
    """A process that should answer at an address."""

    name: str
    address: str
    log: Path
    process: subprocess.Popen


def main(argv: Sequence[str] | None = None) -> int:
    """0 after Ctrl-C; 2 when a server does not come up."""
    options = _options(argv)
    store = Store(root_folder())
    servers: list[Server] = []
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        prepare_state(store)
        for name, port, command in (
            (
                "Dagster",
                options.dagster_port,
                [*_tool("dagster"), "dev", "-m", "orchestration.definitions", "-h", HOST, "-p"],
            ),
            (
                "MLflow",
                options.mlflow_port,
                [*_tool("mlflow"), "server", *_storage(store), "--workers", "1", "--host", HOST, "--port"],
            ),
        ):
            servers.append(_start(store, name, port, [*command, str(port)]))
        for server in servers:
            _wait(server)
            print(f"{server.name:<8} {server.address}", flush=True)
        print("Ctrl-C ends both.", flush=True)
        _watch(servers)
        return 2
    except ChorusError as error:
        print(f"chorus: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0
    finally:
        _end(servers)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m orchestration.ui", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dagster-port", type=int, default=3000)
    parser.add_argument("--mlflow-port", type=int, default=5000)
    return parser.parse_args(argv)


def _tool(name: str) -> list[str]:
    """The command beside this interpreter. Raises MissingError when it is not installed."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        raise MissingError(
            "ui", expected=f"the command {name} beside {sys.executable}", got="nothing there", fix="Run make setup."
        )
    return [str(path)]


def _storage(store: Store) -> list[str]:
    return [
        "--backend-store-uri",
        tracking.uri(store),
        "--default-artifact-root",
        (store.state / "mlflow" / "artifacts").as_uri(),
    ]


def _start(store: Store, name: str, port: int, command: list[str]) -> Server:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise StoreError(
                f"{HOST}:{port}", expected=f"a free port for {name}", got=error, fix=f"Pass --{name.lower()}-port."
            ) from error
    log = store.state / "logs" / f"{name.lower()}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    (store.state / "mlflow").mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **THREADS}
    with open(log, "w") as stream:  # its own group, so that Ctrl-C reaches it once, from here
        process = subprocess.Popen(
            command, cwd=store.root, env=environment, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
        )
    return Server(name, f"http://{HOST}:{port}", log, process)


def _wait(server: Server) -> None:
    """Return once the address answers. Raises StoreError when the process ends or takes too long."""
    start = time.monotonic()
    while time.monotonic() - start < PATIENCE:
        if server.process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(server.address, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise StoreError(server.name, expected=f"an answer at {server.address}", got="none", fix=f"See {server.log}.")


def _watch(servers: list[Server]) -> None:
    """Return when a server has ended by itself."""
    while all(server.process.poll() is None for server in servers):
        time.sleep(0.5)
    ended = next(server for server in servers if server.process.poll() is not None)
    print(
        f"chorus: {ended.name}: expected a running server, got exit code {ended.process.returncode}. See {ended.log}.",
        file=sys.stderr,
    )


def _end(servers: list[Server]) -> None:
    """Ask every server and its children to end, then insist."""
    for how, patience in ((signal.SIGINT, 15), (signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        running = [server for server in servers if server.process.poll() is None]
        for server in running:
            os.killpg(server.process.pid, how)
        deadline = time.monotonic() + patience
        for server in running:
            try:
                server.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                continue


if __name__ == "__main__":
    sys.exit(main())
