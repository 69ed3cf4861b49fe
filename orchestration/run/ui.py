"""Both user interfaces over the same state: Dagster's assets and MLflow's runs, on loopback, until Ctrl-C.

python -m orchestration.run.ui [--dagster-port 3000] [--mlflow-port 5000]
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
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from chorus.errors import ChorusError, MissingError, StoreError
from chorus.store import Store, root_folder
from chorus.train.processes import THREADS
from chorus.whole import first
from orchestration.run import guard
from orchestration.run.state import CODE_LOCATION, prepare_state
from orchestration.tracking import trainings

HOST = "127.0.0.1"
PROJECT = Path(__file__).parents[2]  # where this code lies: the workspace served may be another folder
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
    held = ExitStack()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C, also where SIGINT itself is ignored
    try:
        prepare_state(store)
        os.environ[trainings.SHOWN] = f"http://{HOST}:{options.mlflow_port}"
        held.enter_context(_settled(store))
        trainings.at_home(trainings.uri(store), store.history / "mlflow")
        for name, port, command in _commands(store, options):
            servers.append(_start(store, name, port, [*command, str(port)]))
        for server in servers:
            _wait(server)
            print(f"{server.name:<8} {server.address}", flush=True)
        if trainings.server():
            print(f"{'MLflow':<8} {trainings.server()}", flush=True)
        print("Ctrl-C ends " + ("both." if len(servers) == 2 else "Dagster's."), flush=True)
        _watch(servers)
        return 2
    except ChorusError as error:
        print(f"chorus: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0
    finally:
        _end(servers)
        held.close()


def _settled(store: Store) -> ExitStack:
    """Say of runs whose process was killed that they failed, before the servers show them; what was launched and not
    begun too, where no other UI is up over this state. Set the pools' limits. What is returned is held as long as this
    one is."""
    from orchestration.run import history  # Dagster takes seconds to import: a port that is taken is said at once
    from orchestration.run.lost import mark_lost
    from orchestration.run.pools import set_limits

    held = ExitStack()
    alone = held.enter_context(first(store.state / "ui.lock"))
    mark_lost(history.instance(), unbegun=alone)
    set_limits(history.instance())
    return held


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m orchestration.run.ui", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
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


def _commands(store: Store, options: argparse.Namespace) -> list[tuple[str, int, list[str]]]:
    """Name, port and command of each server to start: MLflow's only where MLFLOW_TRACKING_URI names none."""
    dagster = [*_tool("dagster"), "dev", "-m", CODE_LOCATION, "-h", HOST, "-p"]
    storage = ["--backend-store-uri", trainings.uri(store), "--default-artifact-root", trainings.files(store)]
    mlflow = [*_tool("mlflow"), "server", *storage, "--workers", "1", "--host", HOST, "--port"]
    both = [("Dagster", options.dagster_port, dagster), ("MLflow", options.mlflow_port, mlflow)]
    return both[:1] if trainings.server() else both


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
    path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, **THREADS, "PYTHONPATH": path}
    with open(log, "w") as stream:  # a session of its own, so that Ctrl-C reaches it once, from here
        process = subprocess.Popen(
            [sys.executable, guard.__file__, *command],
            cwd=store.root,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
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
    """Let go of every server: its guard ends it and all its children, within ten seconds."""
    for server in servers:
        server.process.stdin.close()
    for server in servers:
        try:
            server.process.wait(3 * guard.PATIENCE)
        except subprocess.TimeoutExpired:
            server.process.kill()


if __name__ == "__main__":
    sys.exit(main())
