"""What a bare install does not bring: packages of an extra are imported where they are used, and asked for by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chorus.errors import MissingError


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Stands around the imports of an extra's packages. Raises MissingError with the command to run where one is
    absent."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or str(error)).partition(".")[0]
        raise MissingError(
            f"the extra '{name}'",
            expected=f"the Python package {package}",
            got="none installed",
            fix=f"Run: pip install 'chorus-gs[{name}]'",
        ) from error
