"""Who comes through the door to a server that lets in everyone."""

import contextlib
import gc
import http.client
import socket
import socketserver
import sys
import threading
import time
from urllib.parse import urlencode

import pytest

from chorus.view import door
from chorus.view.door import Door

TOKEN = "a-token-of-some-length-0123"
WEBSOCKET = {"Upgrade": "websocket", "Connection": "Upgrade"}


class Inside(socketserver.BaseRequestHandler):
    """Answers a page and ends the connection; of a websocket it says again what it hears."""

    def handle(self):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.request.recv(1)
        self.server.asked.append(head)
        if b"websocket" not in head:
            self.request.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + 300_000 * b"x")
            return
        self.request.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        while data := self.request.recv(1000):
            self.request.sendall(data)


@pytest.fixture
def inside():
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Inside)
    server.daemon_threads, server.asked = True, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def opened(inside):
    """Doors of the same inside; their ports."""
    with contextlib.ExitStack() as ends:

        def open_(host: str = "127.0.0.1", token: str | None = TOKEN) -> int:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            ends.callback(Door(host, port, inside=inside.server_address[1], token=token).close)
            return port

        yield open_


def ask(port: int, method: str = "GET", path: str = "/", body: str | None = None, **headers: str):
    """Status, headers and text of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


def let_in(port: int) -> str:
    """The cookie that a browser with the token gets."""
    status, headers, _ = ask(port, "POST", body=urlencode({"token": TOKEN}))
    assert status == 303 and headers["Location"] == "/"
    kept = headers["Set-Cookie"]
    assert "HttpOnly" in kept and "SameSite=Strict" in kept and TOKEN not in kept
    return kept.partition(";")[0]


def test_who_brings_the_token_comes_in_again_and_again(opened):
    port = opened()
    cookie = let_in(port)
    for _ in range(3):
        status, _, text = ask(port, Cookie=f"other=1; {cookie}")
        assert status == 200 and len(text) == 300_000


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "HEAD"])
@pytest.mark.parametrize(
    "shown", ["", "chorus=", "chorus-{port}=", "chorus-{port}=x", f"chorus-{{port}}={TOKEN}", "=;é"]
)
def test_nobody_else_does(opened, inside, method, shown):
    port = opened()
    let_in(port)
    status, _, text = ask(port, method, body="", Cookie=shown.format(port=port))
    assert status == 401 and TOKEN not in text and not inside.asked


@pytest.mark.parametrize(
    "body",
    [
        "",
        "token=",
        f"token={TOKEN}x",
        f"token={TOKEN[:-1]}",
        f"other={TOKEN}",
        "token=%00",
        "&&==",
        "x" * 5000,
        "token=é",
    ],
)
def test_another_token_is_refused(opened, inside, body):
    status, headers, _ = ask(opened(), "POST", body=body)
    assert status == 401 and "Set-Cookie" not in headers and not inside.asked


def test_the_cookie_of_one_door_opens_no_other(opened, inside):
    first, second = opened(), opened()
    _, _, value = let_in(first).partition("=")
    assert ask(second, Cookie=f"chorus-{second}={value}")[0] == 401 and not inside.asked


def test_pages_of_other_sites_stay_out(opened, inside):
    port = opened(token=None)
    for headers in (
        {"Origin": "http://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": f"http://127.0.0.1:{port + 1}"},
    ):
        assert ask(port, **headers)[0] == 403 and ask(port, **headers, **WEBSOCKET)[0] == 403
    for host in ("elsewhere.example", f"elsewhere.example:{port}", "", "[", "127.0.0.1.elsewhere.example"):
        assert ask(port, Host=host)[0] == 403
    assert not inside.asked
    assert ask(port, Origin=f"http://127.0.0.1:{port}")[0] == 200
    assert ask(port, Host="localhost:9000", Origin="http://localhost:9000")[0] == 200, "a tunnel's"


def test_beyond_loopback_it_answers_by_any_name(opened):
    port = opened("0.0.0.0")
    cookie = let_in(port)
    assert ask(port, Host="chorus.example", Origin="https://chorus.example", Cookie=cookie)[0] == 200
    assert ask(port, Host="chorus.example", Origin="https://elsewhere.example", Cookie=cookie)[0] == 403


def test_only_get_comes_through(opened, inside):
    port = opened(token=None)
    assert ask(port, "POST", body="x")[0] == 405 and ask(port, "DELETE")[0] == 405 and not inside.asked


def test_a_websocket_goes_both_ways_until_either_ends(opened):
    port = opened()
    cookie = let_in(port)
    head = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nCookie: {cookie}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), 20) as caller:
        caller.sendall(head.encode())
        heard = b""
        for _ in range(5):
            caller.sendall(b"said;")
        while more := b"" if heard.count(b"said;") == 5 else caller.recv(1000):
            heard += more
        assert heard.startswith(b"HTTP/1.1 101") and heard.endswith(5 * b"said;")
        caller.shutdown(socket.SHUT_WR)
        while caller.recv(1000):
            pass


def test_a_second_request_of_a_connection_is_not_brought_inside(opened, inside):
    """Its sender may be another one, where something stands in between that shares connections."""
    port = opened(token=None)
    with socket.create_connection(("127.0.0.1", port), 20) as caller:
        caller.sendall(2 * f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        while caller.recv(100_000):
            pass
    assert len(inside.asked) == 1


@pytest.mark.parametrize(
    "said",
    [b"", b"\r\n\r\n", b"GET", b"\0" * 50 + b"\r\n\r\n", b"GET /\r\n" + b"A: b\r\n" * 300 + b"\r\n", b"x" * 100_000],
)
def test_what_is_no_request_is_not_brought_inside_and_leaves_nothing_open(opened, inside, said, monkeypatch):
    monkeypatch.setattr(door, "PATIENCE", 0.5)
    port = opened()
    with socket.create_connection(("127.0.0.1", port), 20) as caller, contextlib.suppress(ConnectionError):
        caller.sendall(said)
        while caller.recv(1000):
            pass
    assert not inside.asked and let_in(port)


def test_so_many_at_once_and_no_more(opened, monkeypatch):
    monkeypatch.setattr(door, "MOST", 4)
    port = opened(token=None)
    idle = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(4)]
    time.sleep(0.2)
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        ask(port)
    for caller in idle:
        caller.close()
    time.sleep(0.2)
    assert ask(port)[0] == 200


def test_closed_it_listens_no_more_and_ends_who_is_in(inside, caplog):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shut = Door("127.0.0.1", port, inside=inside.server_address[1], token=None)
    caller = socket.create_connection(("127.0.0.1", port), 20)
    caller.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n\r\n".encode())
    assert caller.recv(100).startswith(b"HTTP/1.1 101")
    shut.close()
    assert caller.recv(100) == b""
    caller.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)
    assert not caplog.records, "no trace of a connection that was open"


@pytest.mark.parametrize("kind", ["", "Connection: Upgrade\r\nUpgrade: websocket\r\n"])
def test_who_leaves_before_the_answer_leaves_nothing_behind(kind, monkeypatch):
    said = []
    monkeypatch.setattr(sys, "unraisablehook", said.append)
    gc.freeze()  # the rest of a long run of tests need not be searched
    with socket.create_server(("127.0.0.1", 0)) as slow, socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
        probe.close()
        opened = Door("127.0.0.1", port, inside=slow.getsockname()[1], token=None)
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", port)) as caller:
                caller.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n{kind}\r\n".encode())
                asked, _ = slow.accept()
            time.sleep(0.05)
            gc.collect()
            asked.sendall(b"HTTP/1.1 200 OK\r\n\r\n" if not kind else b"")
            asked.close()
        end = time.monotonic() + 10
        while opened._connections and time.monotonic() < end:
            time.sleep(0.02)
        assert not opened._connections
        opened.close()
    gc.collect()
    gc.unfreeze()
    assert not said
