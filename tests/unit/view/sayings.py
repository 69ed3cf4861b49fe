"""What stand-ins for models must understand: all that the search knows things by."""

from chorus.teachers.embedded.sentences import sentences
from chorus.text import prompt


def said_of(*names: str) -> dict[str, int]:
    """Prompt -> number of the thing, of each thing's name and sentences."""
    return {prompt(s): i for i, name in enumerate(names) for s in (name, *sentences().of(name, "train"))}
