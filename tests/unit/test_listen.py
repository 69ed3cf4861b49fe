"""Which port a server gets, and which token it asks for."""

import socket

import pytest

from chorus.errors import InputError
from chorus.listen import LOOPBACK, PORTS, address, free_port, read_token, token_for

TOKEN = "a-token-of-some-length-0123"


@pytest.fixture(autouse=True)
def no_token(monkeypatch):
    monkeypatch.delenv("CHORUS_TOKEN", raising=False)


def test_a_port_that_is_taken_is_refused_and_passed_over():
    with socket.socket() as taken:
        port = next(port for port in PORTS if binds(taken, port))  # other tests take ports meanwhile
        taken.listen()
        with pytest.raises(InputError, match=f"a free port of 127.0.0.1, got {port}"):
            free_port(LOOPBACK[0], port)
        found = free_port(LOOPBACK[0], None)
        assert found in PORTS and found != port


def binds(one: socket.socket, port: int) -> bool:
    try:
        one.bind((LOOPBACK[0], port))
    except OSError:
        return False
    return True


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(InputError, match="a free port of 192.0.2.1"):
        free_port("192.0.2.1", 8080)


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "http://127.0.0.1:81"), ("::1", "http://[::1]:81")])
def test_addresses_are_those_a_browser_takes(host, shown):
    assert address(host, 81) == shown


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "chorus.example"])
def test_beyond_loopback_a_token_is_needed(host, monkeypatch):
    with pytest.raises(InputError, match="expected a token for an address that others reach"):
        token_for(host, None)
    monkeypatch.setenv("CHORUS_TOKEN", TOKEN)
    assert token_for(host, None) == TOKEN


@pytest.mark.parametrize("host", LOOPBACK)
def test_on_loopback_one_that_is_given_is_asked_for(host, monkeypatch):
    assert token_for(host, None) is None
    monkeypatch.setenv("CHORUS_TOKEN", TOKEN)
    assert token_for(host, None) == TOKEN


def test_a_token_from_a_file_stands_before_that_of_the_environment(tmp_path, monkeypatch):
    assert read_token(None) is None
    monkeypatch.setenv("CHORUS_TOKEN", TOKEN)
    assert read_token(None) == TOKEN
    (tmp_path / "token").write_text("another-token-of-length\n")
    assert read_token(tmp_path / "token") == "another-token-of-length"


@pytest.mark.parametrize("content", [b"", b"short", b"\xff\xfe" * 20, b"two words of a token here", "é".encode() * 20])
def test_a_token_that_is_none_is_refused_and_not_shown(tmp_path, content):
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        read_token(path)
    assert "two words" not in str(refused.value) and "short" not in str(refused.value).replace(str(path), "")
    with pytest.raises(InputError, match="holds a token"):
        read_token(tmp_path / "nowhere")
