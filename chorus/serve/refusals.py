"""What a server refuses, each with its HTTP status; the message is the one line of every ChorusError."""

from __future__ import annotations

from chorus.errors import ChorusError, InputError, MissingError, StoreError


class Refused(InputError):
    """A request that is understood and not honoured."""

    status = 400


class Unauthorized(Refused):
    """The token is absent or wrong."""

    status = 401


class Outside(Refused):
    """A path that leaves the folder of scenes."""

    status = 403


class Unknown(Refused):
    """No such file or scene."""

    status = 404


class TooSlow(Refused):
    """A client that stopped sending."""

    status = 408


class TooLarge(Refused):
    """More bytes than the server takes."""

    status = 413


class NotBytes(Refused):
    """An upload that is declared as something else."""

    status = 415


class Busy(Refused):
    """The line of work is full. seconds: after which to try again."""

    status = 503

    def __init__(self, where: object, *, expected: str, got: object, fix: str = "", seconds: int = 1):
        super().__init__(where, expected=expected, got=got, fix=fix)
        self.seconds = seconds


class Gone(Refused):
    """The client left before its turn came; nobody reads this."""

    status = 499


def status_of(error: ChorusError) -> int:
    """The HTTP status of an error: its own, or by its kind."""
    if isinstance(error, Refused):
        return error.status
    if isinstance(error, StoreError):
        return 404
    if isinstance(error, MissingError):
        return 501
    return 400 if isinstance(error, InputError) else 500
