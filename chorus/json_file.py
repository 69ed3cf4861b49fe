"""JSON files: equal content gives equal bytes; a damaged one is named."""

from __future__ import annotations

import json
from pathlib import Path

from chorus.errors import ChorusError, InputError


def read_json(path: Path, *, expected: str = "a JSON file", fix: str = "", error: type[ChorusError] = InputError):
    """The content of a file. Raises ``error`` naming it when it is absent or no JSON."""
    try:
        return json.loads(Path(path).read_text())
    except (OSError, json.JSONDecodeError) as cause:
        got = "nothing there" if isinstance(cause, FileNotFoundError) else cause
        raise error(path, expected=expected, got=got, fix=fix) from cause


def write_json(path: Path, content: object) -> None:
    """Sorted keys, one a line."""
    Path(path).write_text(json.dumps(content, sort_keys=True, indent=1) + "\n")
