"""Is this a command line of ours? Asked of the command line's own parser, without running anything."""

from __future__ import annotations

import contextlib
import functools
import io
import re
import shlex

import tyro

from chorus.cli import SHELLS, VERBS


def _silent(verb):
    return functools.wraps(verb)(lambda *args, **options: None)


QUIET = {name: _silent(verb) for name, verb in VERBS.items()}


def commands(text: str) -> list[list[str]]:
    """The words after `chorus` of every command in lines of shell; comments left out, `VAR=x` before one allowed."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";|&")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if re.fullmatch(r"[;|&]+", word):
                while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                    words.pop(0)
                if words[:1] == ["chorus"]:
                    found.append(words[1:])
                words = []
            else:
                words.append(word)
    return found


def refusal(words: list[str]) -> str:
    """What the parser says against these words; empty when it takes them."""
    words = [word for word in words if word != "--debug"]
    if words == ["--version"] or (words[:1] == ["--completion"] and words[1:] and words[1] in SHELLS):
        return ""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            tyro.extras.subcommand_cli_from_dict(QUIET, prog="chorus", args=words)
    except SystemExit as end:
        if end.code:
            return said.getvalue() or f"exit code {end.code}"
    return ""


@functools.cache
def help_of(verb: str) -> str:
    """What `chorus VERB --help` prints."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        tyro.extras.subcommand_cli_from_dict(QUIET, prog="chorus", args=[verb, "--help"])
    return said.getvalue()
