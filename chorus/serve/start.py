"""What ``chorus serve`` starts: a server of HTTP, or one over stdio."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chorus.errors import InputError
from chorus.extras import extra
from chorus.listen import LOOPBACK, address, free_port, token_for
from chorus.serve.folder import Folder

MOST_CONNECTIONS = 256
LAST_ANSWERS = 5  # s that answers under way get when the server ends


@dataclass(frozen=True, kw_only=True)
class Options:
    """scenes: the folder whose scenes may be opened, None for the room that ships alone; queue: requests that may wait;
    memory, upload: in bytes; port: the first free one when None."""

    scenes: Path | None = None
    host: str = LOOPBACK[0]
    port: int | None = None
    token_file: Path | None = None
    queue: int = 16
    memory: int = 2 * 10**9
    upload: int = 500 * 10**6

    def check(self) -> None:
        """Raises InputError for what is no number of anything."""
        for name, value, least in (("queue", self.queue, 0), ("memory", self.memory, 1), ("upload", self.upload, 1)):
            if value < least:
                raise InputError(f"--{name}", expected=f"at least {least}", got=value)


def serve_http(options: Options, load: Callable[[], object]) -> None:
    """Serve until interrupted. load: gives the model, when all else is known to be right.

    Raises InputError for a host beyond loopback without a token, a port that is taken, no such folder, and a model
    without words.
    """
    with extra("serve"):
        import uvicorn

        from chorus.serve.app import make_app
    options.check()
    token = token_for(options.host, options.token_file)
    folder = Folder(options.scenes)
    port = free_port(options.host, options.port)
    service = _service(options, folder, load(), token)
    app = make_app(service, hosts=LOOPBACK if options.host in LOOPBACK else ("*",))
    config = uvicorn.Config(
        app,
        host=options.host,
        port=port,
        log_level="warning",
        access_log=False,  # paths hold questions; /metrics counts
        server_header=False,
        ws="none",
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=LAST_ANSWERS,
    )
    shown = address(options.host, port)

    class Server(uvicorn.Server):
        async def startup(self, sockets=None) -> None:
            """The address is told when it answers, not before."""
            await super().startup(sockets)
            print(f"{shown}/docs   (Ctrl-C ends it)", flush=True)

    Server(config).run()


def serve_mcp(options: Options, load: Callable[[], object]) -> None:
    """Answer an assistant over stdin and stdout until it closes them. Raises InputError as :func:`serve_http`."""
    with extra("mcp"):
        from chorus.serve.tools import make_server
    options.check()
    service = _service(options, Folder(options.scenes), load(), None)
    make_server(service).run("stdio")
    sys.stdout.flush()


def _service(options: Options, folder: Folder, encoder, token: str | None):
    from chorus.serve.queue import Work
    from chorus.serve.scenes import KeptScenes
    from chorus.serve.service import Service

    if "lang" not in encoder.available or encoder.text is None:
        raise InputError("--model", expected="a model with words", got=f"one with {', '.join(encoder.available)}")
    kept = KeptScenes(encoder, folder, most_bytes=options.memory)
    return Service(Work(options.queue), kept, options.upload, token)
