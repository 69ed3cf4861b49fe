"""Names that must be one of some: the name itself, or an error with the nearest there is."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from chorus.errors import ChorusError, InputError

FEW = 12  # names an error lists in full


def nearest(name: str, known: Iterable[str]) -> str:
    """ "Did you mean 'NAME'?" of the closest known name; empty when none is close."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean '{near[0]}'?" if near else ""


def one_of(name: str, known: Iterable[str], what: str, *, error: type[ChorusError] = InputError) -> str:
    """The name itself when known. Raises ``error`` with the nearest known one otherwise."""
    known = sorted(known)
    if name in known:
        return name
    listed = f"one of {', '.join(known)}" if len(known) <= FEW else f"one of the {len(known)} there are"
    raise error(what, expected=listed, got=repr(name), fix=nearest(name, known))
