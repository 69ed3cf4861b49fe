"""A file that a client sends, written piece by piece and no further than agreed."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fastapi import Request

from chorus.errors import InputError
from chorus.io import is_splat_file
from chorus.serve.refusals import NotBytes, TooLarge, TooSlow

BYTES = "application/octet-stream"
PATIENCE = 30.0  # s between two pieces


def check_upload(request: Request, name: str, *, most: int) -> None:
    """What can be told before a byte is read. Raises InputError for a name that is none of a splat file, NotBytes,
    TooLarge."""
    if name != Path(name).name or name in ("", ".", "..") or "\\" in name or not name.isprintable():
        raise InputError("name", expected="a plain file name, without folders", got=repr(name))
    if not is_splat_file(Path(name)):
        expected = "the name of a splat file (.ply, .spz, .splat, .sog)"
        raise InputError("name", expected=expected, got=repr(name), fix="Its suffix tells the format.")
    kind = request.headers.get("content-type", "none").partition(";")[0].strip().lower()
    if kind != BYTES:  # also what another site's page cannot send without being asked first
        raise NotBytes("Content-Type", expected=BYTES, got=kind, fix="Send the file itself as the body.")
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        raise _too_large(most, f"{int(declared) / 1e6:.1f} MB")


async def receive(request: Request, path: Path, *, most: int) -> None:
    """Write the body of a request to a file. Raises TooLarge, TooSlow, InputError for nothing at all."""
    size, pieces = 0, aiter(request.stream())
    with open(path, "wb") as file:
        while True:
            try:
                piece = await asyncio.wait_for(anext(pieces), PATIENCE)
            except StopAsyncIteration:
                break
            except TimeoutError as error:
                expected = f"a piece every {PATIENCE:.0f} s"
                raise TooSlow("upload", expected=expected, got=f"none after {size} bytes") from error
            size += len(piece)
            if size > most:
                raise _too_large(most, "more")
            file.write(piece)
    if size == 0:
        raise InputError("upload", expected="a file", got="no bytes")


def _too_large(most: int, got: str) -> TooLarge:
    fix = "Start the server with a larger --upload."
    return TooLarge("upload", expected=f"at most {most / 1e6:.0f} MB", got=got, fix=fix)
