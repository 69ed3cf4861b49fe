"""The viewer and the page with large scenes: ``python -m benchmarks.viewer open | page``.

The scene is a house of copies of the room that ships, each made of eight times as many Gaussians: 100 thousand a room.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import tyro

from benchmarks.house import house
from benchmarks.timing import in_own_process
from chorus.io import write_scene
from chorus.scene import GaussianScene
from chorus_kernels.reference import rotation_matrices

SPLIT = 8  # Gaussians that one of the room becomes
QUESTIONS = (
    "a bed",
    "where i sleep",
    "something red",
    "a lamp by the window",
    "a chair, not an armchair",
    "a zeppelin",
)
COLORS = ("rgb", "PCA", "names", "instances")


def open(sizes: tuple[int, ...] = (12_000, 100_000, 300_000, 1_000_000), threads: int = 2) -> None:
    """Processor seconds from the program's start until a browser has all it is sent, and until the first question is
    answered; of the slowest answer, click and change of colors; peak memory of the server. The clock's seconds in
    brackets. Each size has a server in a process of its own; this one is the browser, which only listens."""
    names = ("Gaussians", "shown", "open", "first answer", "answer", "click", "colors", "peak, MB")
    print("| " + " | ".join(names) + " |\n|" + "---|" * len(names))
    for count in sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "house.ply"
            write_scene(path, furnished(count))
            found = _looked_at(path, threads)
        print(
            f"| {count:,} | {found.shown:,} | {_both(found.opened)} | {_both(found.asked)} | {_both(found.answer)} | "
            f"{_both(found.click)} | {_both(found.colors)} | {found.peak:.0f} |",
            flush=True,
        )


def page(sizes: tuple[int, ...] = (12_000, 100_000, 300_000), threads: int = 2) -> None:
    """Seconds to write a page of the scene, and its MB."""
    print("| Gaussians | seconds | MB |\n|---|---|---|")
    for count in sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "house.ply"
            write_scene(path, furnished(count))
            seconds, size = in_own_process(written, path, threads)
        print(f"| {count:,} | {seconds:.1f} | {size:.1f} |", flush=True)


def furnished(count: int) -> GaussianScene:
    """``count`` Gaussians in rooms of 96 thousand; a small count is one room, thinner."""
    import chorus

    room = chorus.read("sample")
    parts = room.select(torch.arange(len(room)).repeat_interleave(SPLIT if count > len(room) else 1))
    draw = torch.Generator().manual_seed(0)
    inside = rotation_matrices(parts.unit_quats) * parts.scales[:, None, :]
    moved = parts.means + (inside @ torch.randn(len(parts), 3, 1, generator=draw)).squeeze(2) * 0.7
    smaller = replace(parts, means=moved, log_scales=parts.log_scales - np.log(SPLIT) / 2)
    return house(count, smaller)


class Seconds(NamedTuple):
    """Of all processors, and of the clock."""

    cpu: float
    wall: float


class Measured(NamedTuple):
    """shown: Gaussians; peak: MB."""

    shown: int
    opened: Seconds
    asked: Seconds
    answer: Seconds
    click: Seconds
    colors: Seconds
    peak: float


def _both(seconds: Seconds) -> str:
    return f"{seconds.cpu:.2f} ({seconds.wall:.1f})"


def _looked_at(path: Path, threads: int) -> Measured:
    """What a server of the scene measures, while this process takes in all it sends. Raises EOFError when it dies."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    server = spawn.Process(target=measure, args=(there, path, time.time(), threads))
    server.start()
    there.close()
    address, least = here.recv()
    asyncio.run(_listened(address, least, here))
    found = here.recv()
    server.join()
    return found


def measure(browser: Connection, path: Path, begun: float, threads: int) -> None:
    """What ``chorus view`` does with a file. browser: is told the address and how many bytes it will be sent at least,
    tells when it has them, and is sent what was measured; begun: time.time() of the start."""
    torch.set_num_threads(threads)
    import chorus
    from chorus.store import Store
    from chorus.view.named import open_scene
    from chorus.view.session import Session
    from chorus.view.viewer import Viewer

    named = open_scene(str(path), Store(path.parent))
    session = Session(named, chorus.load())
    viewer = Viewer([session], folder=path.parent)
    browser.send((viewer.address, 32 * len(session.kept)))
    browser.recv()
    opened = Seconds(time.process_time(), time.time() - begun)
    viewer.ask(QUESTIONS[0])
    asked = Seconds(time.process_time(), time.time() - begun)
    low, high = session.scene.means.amin(dim=0).numpy(), session.scene.means.amax(dim=0).numpy()
    middle = (low + high) / 2
    session.click(middle, np.array([1.0, 0.3, -0.4]))  # which groups the scene into objects
    found = Measured(
        shown=len(session.kept),
        opened=opened,
        asked=asked,
        answer=_slowest(lambda words: viewer.ask(words), QUESTIONS),
        click=_slowest(lambda way: session.click(middle, way), list(np.eye(3))),
        colors=_slowest(lambda mode: session.colors(mode), COLORS),
        peak=_peak(),
    )
    viewer.close()
    browser.send(found)


def _peak() -> float:
    """MB this process has held at most, since its program began: getrusage would count what its parent held too."""
    said = Path("/proc/self/status").read_text()
    return int(said.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


def written(path: Path, threads: int) -> tuple[float, float]:
    """Seconds and MB of a page."""
    torch.set_num_threads(threads)
    import chorus
    from chorus.store import Store
    from chorus.view.named import open_scene
    from chorus.view.page import write_page
    from chorus.view.session import Session

    begun = time.perf_counter()
    named = open_scene(str(path), Store(path.parent))
    out = write_page(path.with_suffix(".html"), Session(named, chorus.load()))
    return time.perf_counter() - begun, out.stat().st_size / 1e6


async def _listened(address: str, least: int, server: Connection) -> None:
    """Take in and drop what a viewer sends until it ends; tell it once so many bytes have come."""
    import viser
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed
    from websockets.typing import Subprotocol

    kind, received, told = Subprotocol(f"viser-v{viser.__version__}"), 0, False
    async with connect(address.replace("http", "ws"), subprotocols=[kind], max_size=None) as socket:
        with suppress(ConnectionClosed):
            async for message in socket:
                received += len(message)
                if received >= least and not told:
                    told = True
                    server.send("received")


def _slowest(run: Callable, of) -> Seconds:
    """Of several, each timed once, the one that takes most of the processors."""
    seconds = []
    for one in of:
        cpu, wall = time.process_time(), time.perf_counter()
        run(one)
        seconds.append(Seconds(time.process_time() - cpu, time.perf_counter() - wall))
    return max(seconds)


if __name__ == "__main__":
    tyro.extras.subcommand_cli_from_dict({"open": open, "page": page})
