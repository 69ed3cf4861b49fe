"""JSON files: how each is read, with an error that names it, and written, so that equal contents give equal bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from chorus.errors import InputError, MissingError
from chorus.files import read_file


def read_json(path: Path, *, expected: str = "a JSON file", fix: str = "") -> Any:
    """The content of a JSON file, a byte-order mark before it passed over.

    expected, fix: what the error says of a file that is not so, and what to do then.
    Raises MissingError when there is no file, InputError when it cannot be read or is no JSON.
    """
    try:
        return json.loads(read_file(path))  # in UTF-8, 16 or 32
    except FileNotFoundError as error:
        raise MissingError(path, expected=expected, got="nothing there", fix=fix) from error
    except (OSError, RecursionError, ValueError) as error:
        raise InputError(path, expected=expected, got=error, fix=fix) from error


def write_json(path: Path, content: object) -> None:
    """Write plain JSON, keys sorted."""
    Path(path).write_text(json.dumps(content, sort_keys=True, indent=1) + "\n")
