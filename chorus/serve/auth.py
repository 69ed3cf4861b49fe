"""The token a server asks for: where it comes from, and how one that is shown is compared."""

from __future__ import annotations

import hmac
import os
from pathlib import Path
from typing import Annotated

from fastapi import Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from chorus.errors import InputError
from chorus.serve.refusals import Unauthorized

VARIABLE = "CHORUS_TOKEN"
LEAST = 16  # characters
_FIX = "Make one: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
_bearer = HTTPBearer(auto_error=False, description=f"the server's token, where it has one ({VARIABLE}, --token-file)")


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


class Guard:
    """Lets a request in that shows the token, or every one where there is no token."""

    def __init__(self, token: str | None):
        self._token = None if token is None else token.encode()

    def __call__(self, shown: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]) -> None:
        """Raises Unauthorized."""
        if self._token is None:
            return
        given = b"" if shown is None else shown.credentials.encode()
        if not hmac.compare_digest(given, self._token):
            got = "none" if shown is None else "another one"
            raise Unauthorized("Authorization", expected="Bearer and this server's token", got=got)
