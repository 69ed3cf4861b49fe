"""The command: skipping, failing, blocking, resuming. Plans are fakes; Dagster, its storage and the expectations are
real."""

import pytest

from chorus.recipes.seconds import seconds_by_stage
from chorus.store import Store
from orchestration.keys import key
from orchestration.materialize import main
from orchestration.recipes import catalog
from orchestration.run import history
from tests.pipeline import fakes


def run(*argv: str) -> int:
    return main([*argv, "--jobs", "1"])


def test_the_chain_runs_once_and_then_has_nothing_to_do(workspace, monkeypatch, capsys):
    fakes.install(monkeypatch)
    assert run("--all") == 0
    assert len(fakes.CALLS) == 7 and "done: 4 runs" in capsys.readouterr().err
    assert run("--all") == 0
    assert len(fakes.CALLS) == 7 and "nothing to do" in capsys.readouterr().err


def test_dagster_records_partitions_hashes_and_checks(workspace, monkeypatch):
    fakes.install(monkeypatch)
    run("--all")
    assert history.settled("scenes/gaussians") == {"room-a", "room-b", "room-c"}
    assert history.settled("teachers/embedded") == {None}
    event = history.instance().get_latest_materialization_event(key("teachers/embedded"))
    from chorus.store import manifest_of

    assert (
        event.asset_materialization.tags["dagster/data_version"]
        == manifest_of(Store(workspace).embedded_teacher)["hash"]
    )


def test_one_asset_of_one_scene(workspace, monkeypatch):
    fakes.install(monkeypatch)
    assert run("scenes/capture", "room-b") == 0
    assert fakes.CALLS == [("scenes/capture", "room-b")]


def test_changed_params_make_again_what_depends_on_them(workspace, monkeypatch):
    fakes.install(monkeypatch)
    run("--all")
    text = (workspace / "params.yaml").read_text()
    fakes.CALLS.clear()
    (workspace / "params.yaml").write_text(text.replace("max_gaussians: 12000", "max_gaussians: 11000"))
    assert run("--all") == 0
    assert {asset for asset, _ in fakes.CALLS} == {"scenes/gaussians"}


def test_force_makes_again(workspace, monkeypatch):
    fakes.install(monkeypatch)
    run("scenes/capture", "room-a")
    run("scenes/capture", "room-a", "--force")
    assert len(fakes.CALLS) == 2


def test_a_failing_scene_is_reported_and_the_others_are_done(workspace, monkeypatch, capsys):
    fakes.install(monkeypatch, broken={"room-b": fakes.no_such_home()})
    assert run("--all") == 2
    said = capsys.readouterr().err
    assert "chorus: room-b: scenes/capture: home.xml: expected a home, got nothing. Fetch it." in said
    assert "Traceback" not in said
    assert history.settled("scenes/gaussians") == {"room-a", "room-c"}
    assert not Store(workspace).scene("room-b", "capture").exists()


def test_a_defect_is_told_apart_from_bad_input(workspace, monkeypatch, capsys):
    fakes.install(monkeypatch, broken={"room-b": ZeroDivisionError("division by zero")})
    assert run("scenes/capture") == 1
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_failed_check_blocks_what_comes_after(workspace, monkeypatch, capsys):
    fakes.install(monkeypatch, psnr={"room-c": 14.0})
    monkeypatch.setattr(catalog, "PHASES", (("scenes/capture", "scenes/gaussians", "scenes/teacher_views"),))
    monkeypatch.setitem(catalog.ASSETS, "scenes/teacher_views", lambda *_: pytest.fail("the blocked asset was planned"))
    assert run("--all", "room-c") == 2
    said = capsys.readouterr().err
    assert "scenes/gaussians: check likeness failed: expected psnr_blind_heldout at least 18, got 14" in said
    assert run("scenes/teacher_views", "room-c") == 2
    assert "its check failed" in capsys.readouterr().err


def test_a_failed_check_fails_again_until_it_is_mended(workspace, monkeypatch):
    fakes.install(monkeypatch, psnr={"room-c": 14.0})
    assert run("--all") == 2
    assert run("--all") == 2
    fakes.install(monkeypatch, psnr={"room-c": 19.0})
    assert run("--all") == 0
    assert fakes.CALLS == [("scenes/gaussians", "room-c")]


def test_a_killed_run_leaves_nothing_half_written_and_resumes(workspace, monkeypatch):
    fakes.install(monkeypatch, broken={"room-b": KeyboardInterrupt()})
    assert run("scenes/capture") == 130
    store = Store(workspace)
    assert store.scenes_with("capture") == ["room-a"] and not list((workspace / "data").rglob("*.tmp"))
    fakes.install(monkeypatch)
    assert run("scenes/capture") == 0
    assert [scene for _, scene in fakes.CALLS] == ["room-b", "room-c"]


def test_seconds_are_kept_outside_the_artifacts(workspace, monkeypatch):
    fakes.install(monkeypatch)
    run("scenes/capture")
    assert seconds_by_stage(Store(workspace), ["room-a"])["capture"] > 0


@pytest.mark.parametrize(
    "argv, said",
    [
        (["scenes/captur"], "Did you mean 'scenes/capture'?"),
        (["scenes/capture", "room-x"], "Did you mean"),
        (["scenes/capture", "../room"], "expected lower-case letters"),
        (["models/encoder", "room-a"], "expected no scene"),
        ([], "expected an asset or --all"),
        (["scenes/gaussians", "room-a"], "scenes/capture of room-a: expected an artifact"),
    ],
)
def test_bad_requests_are_one_line_and_exit_2(workspace, monkeypatch, capsys, argv, said):
    fakes.install(monkeypatch)
    assert run(*argv) == 2
    assert said in capsys.readouterr().err


def test_a_wrong_params_key_is_one_line(workspace, monkeypatch, capsys):
    fakes.install(monkeypatch)
    (workspace / "params.yaml").write_text((workspace / "params.yaml").read_text().replace("grid_size:", "gridsize:"))
    assert run("--all") == 2
    assert "Did you mean 'grid_size'?" in capsys.readouterr().err
