"""Help, its examples, and completion in a shell."""

import shutil
import subprocess
import sys
from importlib.metadata import version

import pytest

from chorus import cli
from chorus.examples import EXAMPLES
from tests.cli.lines import commands, refusal


def test_every_verb_has_examples_that_its_parser_takes():
    assert set(EXAMPLES) == set(cli.VERBS)
    for verb, examples in EXAMPLES.items():
        for line, what in examples:
            assert what and len(line) + len(what) < 100, line
            (words,) = commands(line)
            assert words[0] == verb and not refusal(words), refusal(words)


@pytest.mark.parametrize("verb", sorted(cli.VERBS))
def test_help_of_a_verb_ends_with_its_examples(verb, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main([verb, "--help"])
    out = capsys.readouterr().out
    assert not end.value.code and out.startswith(f"usage: chorus {verb}")
    tail = out.partition("examples:\n")[2].splitlines()
    assert [line.split("   ")[0].strip() for line in tail] == [line for line, _ in EXAMPLES[verb]]


def test_other_help_and_mistakes_show_none(capsys):
    for words in (["--help"], ["crop"], ["qury"]):
        with pytest.raises(SystemExit):
            cli.main(words)
        captured = capsys.readouterr()
        assert "examples:" not in captured.out + captured.err


@pytest.mark.parametrize(
    "line, wrong",
    [
        ('chorus query room.ply "a chair"', False),
        ("chorus --version", False),
        ("chorus --completion bash", False),
        ("chorus query room.ply --tip 5", True),
        ("chorus ask room.ply", True),
        ("chorus view room.ply --port many", True),
        ("chorus encode room.ply -o f.safetensors --outputs words", True),
        ("chorus crop", True),
    ],
)
def test_the_parser_is_asked_without_running_anything(line, wrong):
    (words,) = commands(line)
    assert bool(refusal(words)) is wrong


def test_commands_are_found_in_lines_of_shell():
    text = (
        'cd DIR; chorus fit a && CHORUS_ROOT=x chorus fit "b c" | cat  # chorus not\nmake ui\nchorus convert \\\n  a b'
    )
    assert commands(text) == [["fit", "a"], ["fit", "b c"], ["convert", "a", "b"]]


def completed(script: str, words: list[str], tmp_path) -> list[str]:
    """What bash offers after these words, the last of them begun."""
    file = tmp_path / "completion.bash"
    file.write_text(script)
    line = " ".join(f"'{word}'" for word in words)
    ask = f"source {file}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _tyro_chorus; echo ${{COMPREPLY[@]}}"
    return subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_verbs_options_and_choices(capsys, tmp_path):
    with pytest.raises(SystemExit) as end:
        cli.main(["--completion", "bash"])
    script = capsys.readouterr().out
    assert not end.value.code and "complete -F _tyro_chorus chorus" in script
    assert completed(script, ["chorus", "de"], tmp_path) == ["describe"]
    assert set(completed(script, ["chorus", ""], tmp_path)) >= set(cli.VERBS)
    assert "--static" in completed(script, ["chorus", "view", "room.ply", "--s"], tmp_path)
    assert {"cm", "ft"} <= set(completed(script, ["chorus", "view", "room.ply", "--unit", ""], tmp_path))


@pytest.mark.parametrize(
    "shell, holds", [("zsh", "#compdef chorus"), ("fish", "function _tyro_chorus"), ("tcsh", "complete chorus")]
)
def test_other_shells_have_a_script_of_their_own(shell, holds, capsys):
    with pytest.raises(SystemExit):
        cli.main(["--completion", shell])
    assert holds in capsys.readouterr().out


def test_an_unknown_shell_is_named(capsys):
    for words in (["--completion"], ["--completion", "ksh"], ["--completion", "bash", "out"]):
        with pytest.raises(SystemExit) as end:
            cli.main(words)
        said = capsys.readouterr().err
        assert end.value.code == 2 and said.count("\n") == 1 and "bash, zsh, fish" in said


def test_the_version_is_that_of_the_package():
    done = subprocess.run([sys.executable, "-m", "chorus", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"chorus {version('chorus-gs')}\n"
