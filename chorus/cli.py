"""The command line: one verb a word. The only place that turns a ChorusError into one line and exit code 2."""

from __future__ import annotations

import os
import sys

import tyro

from chorus.errors import ChorusError, InputError, Interrupted
from chorus.examples import EXAMPLES, shown
from chorus.verbs import asking, captures, files, judging, serving, training
from chorus.whole import disk_errors

ABOUT = (
    "A mental map for 3D Gaussian-splat scenes. Scenes are files of splats or names of the workspace. VERB --help has "
    "examples; --debug shows where an error came from, --version which version this is; --completion bash (zsh, fish, "
    "tcsh) prints a script that lets the shell complete verbs and options."
)
SHELLS = ("bash", "zsh", "fish", "tcsh")
VERBS = {
    "fetch": captures.fetch,
    "ingest": captures.ingest,
    "fit": captures.fit,
    "teach": training.teach,
    "distill": training.distill,
    "shard": training.shard,
    "adapt": training.adapt,
    "evaluate": judging.evaluate,
    "trial": training.trial,
    "record": judging.record,
    "export": judging.export,
    "encode": asking.encode,
    "query": asking.query,
    "describe": asking.describe,
    "show": asking.show,
    "view": serving.view,
    "serve": serving.serve,
    "convert": files.convert,
    "label": files.label,
    "crop": files.crop,
    "report": judging.report,
    "teachers": training.teachers,
    "import-checkpoint": training.import_checkpoint,
}


NOBODY_READS = 128 + 13  # as a shell counts what SIGPIPE ended


def main(argv: list[str] | None = None) -> None:
    """Run a verb. Exits with one line on stderr for what the user can mend, and 2 (75 for a training that was asked to
    stop and kept its checkpoint, 130 after Ctrl-C, 141 when whoever reads its output has left)."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words == ["--version"]:
        from chorus import __version__

        print(f"chorus {__version__}")
        return
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    # Threads that spin while they wait take time from whatever else runs: on a busy machine a query took twice as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        with disk_errors("chorus"):
            _run(_completion(words) if words[:1] == ["--completion"] else words)
    except BrokenPipeError:  # whoever read has left: | head
        if debug:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left to say goes nowhere, at exit too
        sys.exit(NOBODY_READS)
    except ChorusError as error:
        if debug:
            raise
        print(f"chorus: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except (MemoryError, RuntimeError) as error:
        if debug or not (whose := _short_of_memory(error)):
            raise
        said = next(iter(str(error).splitlines()), "a request was refused")
        print(f"chorus: {whose} memory is used up: {said}", file=sys.stderr)
        sys.exit(ChorusError.exit_code)
    except KeyboardInterrupt:
        if debug:
            raise
        print("chorus: interrupted", file=sys.stderr)
        sys.exit(Interrupted.exit_code)


def _run(words: list[str]) -> None:
    try:
        tyro.extras.subcommand_cli_from_dict(VERBS, prog="chorus", description=ABOUT, args=words)
    except SystemExit as end:
        if not end.code and words and words[0] in EXAMPLES:  # its help was shown
            print(shown(words[0]))
        sys.stdout.flush()
        raise
    sys.stdout.flush()  # here, where a reader that has left can still be answered


def _completion(words: list[str]) -> list[str]:
    """--completion SHELL in tyro's words."""
    if len(words) != 2 or words[1] not in SHELLS:
        got = " ".join(words[1:]) or "none"
        raise InputError("--completion", expected=f"one shell: {', '.join(SHELLS)}", got=got)
    return ["--tyro-write-completion", words[1], "-"]


def _short_of_memory(error: Exception) -> str:
    """Whose memory was not enough, where that is what an error says; torch, which may not be loaded, says it twice."""
    if type(error).__name__ == "OutOfMemoryError":
        return "the card's"
    return "the machine's" if isinstance(error, MemoryError) or "allocate memory" in str(error) else ""


if __name__ == "__main__":
    main()
