"""The door of the viewer. viser lets in whoever reaches it, pages of other sites included, so it listens inside, on
loopback, and the door in front of it decides who comes through."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import http.client
import io
import secrets
import threading
from collections.abc import Coroutine
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from chorus.listen import LOOPBACK

HEAD, FORM = 1 << 14, 1 << 12  # bytes of a request's head, of the form that brings the token
PATIENCE = 10.0  # s for both
MOST = 256  # connections at once
CHUNK = 1 << 16
ASK = """<!doctype html><meta charset="utf-8"><title>Chorus</title>
<body style="font: 16px sans-serif; margin: 4em"><form method="post" action="/">
<p>This viewer asks for its token.</p><input type="password" name="token" autofocus> <button>Look</button></form>"""


class Door:
    """Listens at host and port until it is closed, and brings requests to the server at the port inside.

    token: asked for once a browser, which then shows a cookie; None lets in whoever is on this machine. inside takes
    one request a connection and then ends it, as viser does.
    """

    def __init__(self, host: str, port: int, *, inside: int, token: str | None):
        self._host, self._inside = host, inside
        self._token = None if token is None else token.encode()
        self._cookie, self._pass = f"chorus-{port}", secrets.token_urlsafe(32)
        self._connections: set[asyncio.Task | None] = set()  # asyncio drops the task of a caller who left in the middle
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._within(asyncio.start_server(self._met, host, port, limit=HEAD))

    def close(self) -> None:
        """Listen no more, and end what goes on."""
        self._within(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _within(self, work: Coroutine):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: a request, and a refusal or what inside answers."""
        task = asyncio.current_task()
        self._connections.add(task)
        try:
            if len(self._connections) <= MOST:
                await self._answer(reader, writer)
        except (OSError, EOFError, asyncio.LimitOverrunError):
            pass  # who called went away, said too much or nothing
        except asyncio.CancelledError:
            pass  # the door closes; Python 3.11 would write a trace for each connection that is open then
        finally:
            self._connections.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(PATIENCE):
            head = await reader.readuntil(b"\r\n\r\n")
            refusal = await self._refusal(head, reader)
        if refusal is None:
            await self._through(head, reader, writer)
        else:
            writer.write(refusal)
            await writer.drain()

    async def _refusal(self, head: bytes, reader: asyncio.StreamReader) -> bytes | None:
        """What is answered instead; None for a request that may come through."""
        method, headers = _read(head)
        host, origin = headers.get("Host", ""), headers.get("Origin")
        if self._host in LOOPBACK and _name(f"//{host}") not in LOOPBACK:
            return _page(HTTPStatus.FORBIDDEN, f"Expected this viewer's own address, got {host!r}.")
        if origin is not None and origin.partition("://")[2] != host:
            return _page(HTTPStatus.FORBIDDEN, f"Expected a page of this viewer, got one of {origin!r}.")
        if self._token is not None and not self._known(headers):
            if method == "POST" and await self._brings_token(headers, reader):
                kept = f"{self._cookie}={self._pass}; HttpOnly; SameSite=Strict; Path=/"
                return _page(HTTPStatus.SEE_OTHER, "", f"Set-Cookie: {kept}", "Location: /")
            return _page(HTTPStatus.UNAUTHORIZED, ASK)
        if method != "GET":
            return _page(HTTPStatus.METHOD_NOT_ALLOWED, "Expected GET.")
        return None

    def _known(self, headers: http.client.HTTPMessage) -> bool:
        """Whether the browser was let in before."""
        with contextlib.suppress(CookieError):
            shown = SimpleCookie(headers.get("Cookie", "")).get(self._cookie)
            return shown is not None and hmac.compare_digest(shown.value.encode(), self._pass.encode())
        return False

    async def _brings_token(self, headers: http.client.HTTPMessage, reader: asyncio.StreamReader) -> bool:
        said = headers.get("Content-Length", "")
        size = int(said) if said.isdecimal() and len(said) < 6 else 0
        form = parse_qs((await reader.readexactly(min(size, FORM))).decode("latin-1"))
        return hmac.compare_digest(form.get("token", [""])[0].strip().encode(), self._token or b"")

    async def _through(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Bring the request inside and the answer out; a websocket's messages both ways until either side ends."""
        inner, into = await asyncio.open_connection(LOOPBACK[0], self._inside)
        try:
            into.write(head)
            copies = [_copy(inner, writer)]
            if _read(head)[1].get("Upgrade", "").lower() == "websocket":
                copies.append(_copy(reader, into))
            tasks = [asyncio.create_task(copy) for copy in copies]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            into.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(CHUNK):
        target.write(data)
        await target.drain()


def _read(head: bytes) -> tuple[str, http.client.HTTPMessage]:
    """Method and headers of a request; none of a head that is no head."""
    lines = io.BytesIO(head)
    method = lines.readline().partition(b" ")[0].decode("latin-1")
    try:
        return method, http.client.parse_headers(lines)
    except http.client.HTTPException:
        return method, http.client.HTTPMessage()


def _name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _page(status: HTTPStatus, text: str, *headers: str) -> bytes:
    kind = "text/html" if text.startswith("<") else "text/plain"
    body = text.encode()
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Content-Type: {kind}; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body
