"""Where a server may listen: on loopback, and elsewhere with a token that its callers show."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from chorus.errors import InputError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PORTS = range(8080, 8100)  # tried in turn where none is asked for
VARIABLE = "CHORUS_TOKEN"
LEAST = 16  # characters
_FIX = "Make one: python -c 'import secrets; print(secrets.token_urlsafe(32))'"


def free_port(host: str, port: int | None) -> int:
    """The port itself, or the first free one. Raises InputError where it is taken, or the host is not of this
    machine."""
    for one in PORTS if port is None else (port,):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((host, one))
                return one
            except OSError as error:
                why = error.strerror or str(error)
    got = f"{port}: {why}" if port is not None else f"none of {PORTS.start} to {PORTS.stop - 1}"
    raise InputError("--port", expected=f"a free port of {host}", got=got, fix="Give another --port.")


def address(host: str, port: int) -> str:
    """As a browser takes it."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def token_for(host: str, file: Path | None) -> str | None:
    """The token to ask for, of a file or of CHORUS_TOKEN. Raises InputError, as :func:`read_token` and where there is
    none for an address beyond loopback."""
    token = read_token(file)
    if host not in LOOPBACK and token is None:
        fix = f"Set {VARIABLE} or give --token-file, or leave --host out."
        raise InputError("--host", expected="a token for an address that others reach", got="none", fix=fix)
    return token


def read_token(file: Path | None) -> str | None:
    """The token of a file, else of CHORUS_TOKEN, None without either.

    Raises InputError, which never holds the token, for a file that cannot be read and a token of fewer than LEAST
    characters, or of others than a header can carry.
    """
    where, token = VARIABLE, os.environ.get(VARIABLE)
    if file is not None:
        where = str(file)
        try:
            token = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            got = getattr(error, "strerror", None) or "bytes that are no text"
            raise InputError(where, expected="a file that holds a token", got=got, fix=_FIX) from error
    if token is None:
        return None
    token = token.strip()
    if len(token) < LEAST:
        raise InputError(where, expected=f"a token of at least {LEAST} characters", got=len(token), fix=_FIX)
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise InputError(where, expected="a token of letters, digits and signs", got="other characters", fix=_FIX)
    return token
