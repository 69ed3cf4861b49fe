"""What features and words of the foundation family depend on: the content of the weights and the settings that matter,
never where files lie."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from chorus.errors import MissingError
from chorus.params import TeacherParams
from chorus.store import plain
from chorus.teachers.base import ROLES
from chorus.teachers.foundation.family import kind_of, label
from chorus.teachers.foundation.siglip import OpenClipTeacher, load_open_clip
from chorus.teachers.foundation.weights import fingerprint, resolve

FAMILY = "foundation:"
# Not what is seen: where files lie and what they are called, how much goes at once.
_NO_MATTER = (*ROLES, "masks", "text", "batch", "trust_remote_code", "cache", "cache_gb")


def views_identity(params: TeacherParams, root: Path) -> tuple[dict, dict[str, str]]:
    """(settings, content hash of each model) that the teacher views depend on. Raises MissingError where weights are
    absent."""
    chosen = params.foundation
    names = {role: getattr(chosen, role) for role in ROLES}
    settings = {key: value for key, value in plain(chosen).items() if key not in _NO_MATTER}
    if chosen.lang_mode == "masks":
        names["masks"] = chosen.masks
    else:
        del settings["mask"]
    if not chosen.window:
        del settings["overlap"]
    return settings, {role: fingerprint(resolve(name, root / params.dir, role=role)) for role, name in names.items()}


def words_source(params: TeacherParams, root: Path) -> str:
    """What a model's config says of the tower that embeds words for it: ``foundation:NAME@HASH``. Raises MissingError
    where weights are absent."""
    name = _words_name(params, root)
    shown = (
        label(name) if Path(name).expanduser().exists() else name
    )  # a place on this machine is nobody else's business
    return f"{FAMILY}{shown}@{fingerprint(resolve(name, root / params.dir, role='lang'))}"


def load_words(source: str, params: TeacherParams, root: Path):
    """prompts -> [T, C] L2-normalised, by the text tower and tokenizer of the very checkpoint that ``source`` (see
    :func:`words_source`) names.

    It is looked for where the params say, then in ``teachers.dir`` under its own name. Raises MissingError when it is
    in neither place.
    """
    wanted, _, digest = source.removeprefix(FAMILY).rpartition("@")
    for name in dict.fromkeys((params.foundation.lang, params.foundation.text, wanted)):
        try:
            path = resolve(name, root / params.dir, role="lang")
        except MissingError:
            continue
        if kind_of(path) == "open_clip" and fingerprint(path) == digest:
            return _words_of(load_open_clip(path, name=wanted))
    raise MissingError(
        f"text tower '{wanted}'",
        expected=f"the weights the model was distilled with (content {digest[:12]}) in {root / params.dir}",
        got="none like these",
        fix=f"Run: chorus teachers pull {wanted}, or name their folder in teachers.foundation.lang (of C-RADIO: text).",
    )


def _words_name(params: TeacherParams, root: Path) -> str:
    path = resolve(params.foundation.lang, root / params.dir, role="lang")
    return params.foundation.text if kind_of(path) == "radio" else params.foundation.lang


def _words_of(tower: OpenClipTeacher):
    tower.net.visual = None  # the larger part, and not needed

    def embed(prompts: list[str]) -> Tensor:
        return tower.text(list(prompts))

    return embed
