"""A database and a bucket on loopback, as a team has them elsewhere."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.pipeline.processes import wait_until


@contextmanager
def postgres(*databases: str) -> Iterator[str]:
    """The address of a PostgreSQL of its own (Debian's programs), to which a database's name is to be added."""
    programs = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
    if programs is None:
        pytest.skip("no PostgreSQL here: sudo apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="chorus-postgres-"))
    user = "postgres" if os.getuid() == 0 else None  # it refuses to run as root
    if user:
        shutil.chown(folder, user)
    port = free_port()
    words = tempfile.NamedTemporaryFile("w", suffix=".pw", delete=False)
    with words:
        words.write("secret")
    os.chmod(words.name, 0o644)
    make = [programs / "initdb", "-D", folder / "data", "-U", "team", "-A", "scram-sha-256"]
    subprocess.run([*make, f"--pwfile={words.name}"], user=user, cwd=folder, check=True, capture_output=True)
    options = ("-c", f"port={port}", "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}")
    server = subprocess.Popen(
        [programs / "postgres", "-D", folder / "data", *options],
        user=user,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    environment = {**os.environ, "PGPASSWORD": "secret"}
    tool = ("-h", "127.0.0.1", "-p", str(port), "-U", "team")
    try:
        ready = [programs / "pg_isready", *tool]
        wait_until(lambda: subprocess.run(ready, capture_output=True).returncode == 0, seconds=60)
        for name in databases:
            subprocess.run([programs / "createdb", *tool, name], check=True, env=environment)
        yield f"postgresql://team:secret@127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGINT)  # at once, whoever is still connected
        server.wait(60)
        os.unlink(words.name)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def bucket(name: str) -> Iterator[str]:
    """The address of an S3 with one empty bucket; the environment names it while this lasts."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    boto3 = pytest.importorskip("boto3")
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for key, value in {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "DEFAULT_REGION": "us-east-1"}.items():
            patch.setenv(f"AWS_{key}", value)
        boto3.client("s3").create_bucket(Bucket=name)
        _forget_buckets()
        yield f"http://{host}:{port}"
    _forget_buckets()
    server.stop()


def _forget_buckets() -> None:
    """fsspec keeps its connections, and would ask the server of a former test."""
    pytest.importorskip("s3fs").S3FileSystem.clear_instance_cache()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
