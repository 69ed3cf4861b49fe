"""What ships with the package: a small model of each input variant, and a room to try it on."""

from __future__ import annotations

from pathlib import Path

from chorus.errors import InputError, MissingError
from chorus.json_files import read_json
from chorus.store import MANIFEST, hash_file

WEIGHTS = Path(__file__).parents[1] / "weights"  # splats/ points/ README.md (the card) run.json manifest.json
RUN = WEIGHTS / "run.json"  # its figures, as chorus.recipes.record writes them
SAMPLE = Path(__file__).parents[1] / "sample" / "room.spz"
SAMPLE_NAME = "sample"
_AGAIN = "Install chorus-gs again, or name a model of yours."


def shipped_model(folder: Path = WEIGHTS) -> Path:
    """The folder of the shipped model, every file of it compared with its checksum.

    Raises MissingError for a file that is absent, InputError for one whose bytes are not those that were shipped.
    """
    manifest = read_json(folder / MANIFEST, expected="the shipped model's checksums", fix=_AGAIN)
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(files, dict) or not files:
        raise InputError(folder / MANIFEST, expected="checksums of files", got=repr(files), fix=_AGAIN)
    for name, wanted in files.items():
        path = folder / name
        if not path.is_file():
            raise MissingError(path, expected="a file of the shipped model", got="nothing there", fix=_AGAIN)
        found = hash_file(path)
        if found != wanted:
            raise InputError(path, expected=f"the shipped file (SHA-256 {wanted[:12]})", got=found[:12], fix=_AGAIN)
    return folder
