"""Verbs that fetch or import: their output, and one clear line when what they need is absent."""

import pytest

from chorus import cli


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    from pathlib import Path

    (tmp_path / "params.yaml").write_text((Path(__file__).parents[2] / "params.yaml").read_text())
    monkeypatch.setenv("CHORUS_ROOT", str(tmp_path))
    return tmp_path


def test_teachers_list_names_every_size_and_license(workspace, capsys):
    cli.main(["teachers", "list"])
    lines = capsys.readouterr().out.splitlines()
    assert any("siglip2" in line and "Apache-2.0" in line and "MB" in line for line in lines) and len(lines) >= 8


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["teachers", "pull"], "names of teachers"),
        (["fetch", "--homes", "nowhere"], "no sweethome3d.jar"),
        (["import-checkpoint", "nowhere.pth", "-o", "out"], "nowhere.pth"),
    ],
)
def test_what_is_absent_is_one_line_and_exit_2(workspace, capsys, words, says):
    with pytest.raises(SystemExit) as stop:
        cli.main(words)
    error = capsys.readouterr().err
    assert stop.value.code == 2 and says in error and len(error.splitlines()) == 1
