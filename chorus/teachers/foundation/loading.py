"""What everything that loads or fetches a released model shares: the file that must be there, its name on the hub, and
silence."""

from __future__ import annotations

import contextlib
import logging
import warnings
from pathlib import Path

from chorus.errors import MissingError
from chorus.extras import extra
from chorus.teachers.foundation.catalog import SOURCES

EMBEDDED = "or set teachers.family: embedded, which needs no download"


def one_of(folder: Path, patterns: list[str]) -> Path:
    """The first file of ``folder`` that fits one of the patterns, in their order. Raises MissingError naming the file
    that is absent."""
    for pattern in patterns:
        found = sorted(Path(folder).glob(pattern))
        if found:
            return found[0]
    name = next((n for n in SOURCES if n == Path(folder).name), None)
    command = f"Run: chorus teachers pull {name}" if name else "Point teachers.foundation at a complete model folder"
    raise MissingError(
        Path(folder) / patterns[0],
        expected="a file of a released model",
        got="no such file",
        fix=f"{command} ({EMBEDDED}).",
    )


def hub_id(name: str) -> str | None:
    """The hub repository of open_clip's ``MODEL:TAG`` (CLIP and MobileCLIP by name), or None where it is no such
    name."""
    model, _, tag = name.partition(":")
    if not tag:
        return None
    with extra("foundation"):
        import open_clip

    config = open_clip.get_pretrained_cfg(model, tag) or {}
    if not config.get("hf_hub"):
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(model)) or "no tags"
        raise MissingError(
            f"teacher '{name}'", expected="a MODEL:TAG of open_clip with a hub repository", got=f"{model} has {tags}"
        )
    return config["hf_hub"].rstrip("/")


@contextlib.contextmanager
def quiet():
    """Model libraries talk while loading: keep their warnings and bars off the user's screen."""
    with extra("foundation"):
        from transformers.utils import logging as bars

    before, had_bars = logging.root.manager.disable, bars.is_progress_bar_enabled()
    logging.disable(logging.WARNING)
    bars.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
        if had_bars:
            bars.enable_progress_bar()
