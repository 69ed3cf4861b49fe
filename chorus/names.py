"""Names a user gives: whether they are known, and which one was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from chorus.errors import ChorusError, InputError

_LISTED = 14  # at most; of more only the number is told


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence with the known name nearest to a mistyped one; empty when none is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean '{near[0]}'?" if near else ""


def one_of(name: str, known: Iterable[str], where: str, *, error: type[ChorusError] = InputError) -> str:
    """The name itself when known. Raises ``error``, with the nearest known one, otherwise."""
    known = list(known)
    if name in known:
        return name
    listed = f"one of {', '.join(known)}" if len(known) <= _LISTED else f"one of the {len(known)} there are"
    raise error(where, expected=listed, got=repr(name), fix=did_you_mean(str(name), known))
