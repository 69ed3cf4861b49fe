"""How words are put to a text tower: the one wording that teachers are trained, asked and judged with."""

from __future__ import annotations

from chorus.errors import InputError

_ARTICLES = ("a ", "an ", "the ", "some ", "something ", "where ", "what ")


def prompt(words: str) -> str:
    """The sentence for a class name or a user's words: "chair" and "a chair" both become "this is a chair".

    A sentence that begins so already stays as it is. Raises InputError for an empty text.
    """
    words = " ".join(words.split())
    if not words:
        raise InputError("query", expected="words to look for", got="an empty text")
    if words.lower().startswith("this is "):
        return words
    return f"this is {words}" if words.lower().startswith(_ARTICLES) else f"this is a {words}"
