"""The token a server asks for, and how one that is shown is compared."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from chorus.listen import VARIABLE
from chorus.serve.refusals import Unauthorized

_bearer = HTTPBearer(auto_error=False, description=f"the server's token, where it has one ({VARIABLE}, --token-file)")


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
