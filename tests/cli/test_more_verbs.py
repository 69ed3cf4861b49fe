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


def test_evaluate_on_scenes_of_a_benchmark(workspace, monkeypatch, capsys):
    """The shipped model on the shipped room, labelled as the model itself has it: what it says is always right."""
    import numpy as np

    import chorus
    from chorus.encoder.shipped import SAMPLE
    from chorus.io import read_npy_folder, write_npy_folder
    from chorus.json_files import read_json

    monkeypatch.chdir(workspace)
    names = ("wall", "floor", "ceiling", "bed", "cabinet", "window")
    folder = workspace / "scans" / "room0000_00"
    write_npy_folder(folder, chorus.read(SAMPLE))
    scene = read_npy_folder(folder)
    said = chorus.load().encode(scene, ("lang",), progress=False).query(names).argmax(dim=1).numpy()
    np.save(folder / "segment.npy", said)
    (workspace / "labels.txt").write_text("\n".join(names) + "\n")
    line = ["evaluate", "--scenes", "scans", "--labels", "labels.txt"]
    cli.main([*line, "-o", "figures.json"])
    told = capsys.readouterr().out
    assert f"1 scene, {len(scene):,} labelled points, 6 names." in told and "no instances" in told
    found = read_json(workspace / "figures.json")
    assert found["protocols"]["raw"]["overall"] == 100.0 > found["protocols"]["vote"]["overall"] > 80.0
    np.save(folder / "segment.npy", said + 1)
    with pytest.raises(SystemExit) as stop:
        cli.main(line)
    assert stop.value.code == 2 and "expected class ids below 6, the number of labels, got 6" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--scenes", "."], "expected --labels, a file of their class names, got none"),
        (["--scenes", ".", "--labels", "l.txt", "--split", "validation"], "expected rooms of the workspace"),
        (["--labels", "l.txt"], "--labels: expected --scenes, the folder of a benchmark, got none"),
        (["--scenes", ".", "--labels", "l.txt"], "l.txt: expected a text file of class names"),
    ],
)
def test_evaluate_says_what_goes_together(workspace, monkeypatch, capsys, words, says):
    monkeypatch.chdir(workspace)
    with pytest.raises(SystemExit) as stop:
        cli.main(["evaluate", *words])
    error = capsys.readouterr().err
    assert stop.value.code == 2 and says in error and len(error.splitlines()) == 1
