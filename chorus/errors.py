"""Errors a user can act on: where, what was expected, what came, what to do next - in one line."""

import reprlib

_LONGEST = 600  # letters of what came
_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 4, 200, 200
_SHORT.maxdict = _SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxset = 20


class ChorusError(Exception):
    """Base of every error Chorus raises on purpose.

    The message is one line: ``where: expected X, got Y. Fix.`` The CLI prints it and exits with its code;
    Dagster shows it as the failure of the asset.
    """

    exit_code = 2  # of a command that ends with it

    def __init__(self, where: object, *, expected: str, got: object, fix: str = ""):
        self.where, self.expected, self.got, self.fix = str(where), expected, _said(got), fix
        message = f"{self.where}: expected {self.expected}, got {self.got}"
        super().__init__(_line(f"{message}. {fix}" if fix else message))

    def __reduce__(self):  # keyword-only arguments do not survive the default pickling between worker processes
        return _rebuild, (type(self), self.where, self.expected, self.got, self.fix)


def _said(got: object) -> str:
    """What came, cut short: a list may be endless, or hold itself many times over."""
    text = _SHORT.repr(got) if isinstance(got, (dict, list, set, tuple)) else str(got)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}"


def _line(text: str) -> str:
    """One line that a terminal shows as it is: a file's own words may hold what would move its cursor."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))


def _rebuild(kind: type, where: str, expected: str, got: str, fix: str) -> ChorusError:
    return kind(where, expected=expected, got=got, fix=fix)


class InputError(ChorusError):
    """A file, folder or array the user gave is not what it should be."""


class ParamsError(ChorusError):
    """params.yaml (or its overlay) does not say what the stages need."""


class StoreError(ChorusError):
    """An artifact is absent, damaged or named in a way that may not reach a path."""


class MissingError(ChorusError):
    """Something to be installed or fetched first is absent."""


class Preempted(ChorusError):
    """A training was asked to stop and kept its checkpoint: the same command goes on from there."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h: try again


class Interrupted(Preempted):
    """The same, by Ctrl-C."""

    exit_code = 130  # what a shell shows of a command that Ctrl-C ended


class LostProcess(ChorusError):
    """A process that shared the work is gone."""
