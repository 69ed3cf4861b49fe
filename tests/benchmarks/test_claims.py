"""The claims: what is planned, what is kept and found again, what a verdict rests on, and the page."""

import dataclasses
import json
import re
import shutil

import numpy as np
import pytest
import torch

from benchmarks.claims import __main__ as command
from benchmarks.claims import train
from benchmarks.claims.curves import CURVES
from benchmarks.claims.declared import CLAIMS, Comparison, Side, chosen, runs_of
from benchmarks.claims.page import PAGE, write
from benchmarks.claims.results import Results, verdict_of
from benchmarks.claims.runs import ROOT, RUNS, Encoder, Probe, Run, keep, kept
from benchmarks.claims.score import Bench
from benchmarks.claims.storage import measure
from benchmarks.claims.train import exact
from chorus.distill.load import StoredScenes
from chorus.errors import InputError, MissingError, StoreError
from chorus.json_files import read_json
from chorus.params import load_params
from chorus.recipes.recipe import NUMBERS
from tests.pipeline.tiny import lay_out

NAMES = ["wall", "chair", "table", "lamp"]
ROOMS = [["a1", "a"], ["a2", "a"], ["b1", "b"], ["b2", "b"]]


@pytest.fixture(scope="module")
def params():
    return load_params(ROOT / "params.yaml")


def line(values):
    return " ".join(str(int(value)) for value in values)


def counted(right):
    """A figure in which this share of every class is right, the rest called the next class."""
    truth = np.array([400, 100, 100, 100])
    hits = np.round(truth * right)
    lines = {"hits": hits, "truth": truth, "predicted": hits + np.roll(truth - hits, 1)}
    return {"rooms": ROOMS, **{key: [line(row)] * len(ROOMS) for key, row in lines.items()}}


def figures(right):
    """What a run's file holds: every figure a claim may ask for, so good; a room like another."""
    tables = ("zero_shot", "zero_shot_raw", "zero_shot_instances", "second", "second_raw", "second_instances")
    found = {name: counted(right) for name in (*tables, "linear", "decoder", "tune")}
    hits = [[1, round(0.9 - n / 10, 1), int(n < 10 * right), int(n < 10 * right)] for n in range(8)]
    found["objects"] = {"rooms": ROOMS, "proposals": [hits] * 4, "truth": [line([0, 8, 0, 0])] * 4}
    found["retrieval"] = {"rooms": ROOMS, "hits": line([round(100 * right)] * 4), "truth": line([100] * 4)}
    seconds = {"all": 2.0, "cpu_all": 1.8, "wall": 1.0, "cpu": 0.9}
    return {
        "figures": found,
        "names": NAMES,
        "seconds": seconds,
        "rooms": "0123",
        "inputs": "89ab",
        "split": "validation",
    }


def fill(folder, params, rights, *, letters=(), quick=True, seeds=(0, 1, 2)):
    """A file for every run; rights: run -> how good it is."""
    for run in runs_of(chosen(letters), params, quick=quick, seeds=seeds):
        keep(run, params, figures(rights(run)), folder)


@pytest.fixture
def all_runs(tmp_path, params):
    """Runs of a third of the steps in which masked modelling is poor and everything else alike."""
    folder = tmp_path / "runs"
    fill(folder, params, lambda run: 0.4 if run.encoder.kind == "masked" else 0.7)
    return folder


def test_the_plan_has_each_training_once_for_each_seed(params):
    plan = runs_of(chosen(()), params, quick=False, seeds=(0, 1, 2))
    assert len(plan) == len(set(plan)) == len({run.file(params) for run in plan})
    usual = [run for run in plan if run.encoder == Encoder() and run.probe is None]
    assert [run.seed for run in usual] == [0, 1, 2] and {run.steps for run in usual} == {params.distill.steps}
    lifted = [run for run in plan if run.encoder.kind == "lifted"]
    assert [run.seed for run in lifted] == [0]  # no seed changes it
    quick = runs_of(chosen(()), params, quick=True, seeds=(0, 1, 2))
    assert {run.steps for run in quick if run.encoder == Encoder()} == {params.distill.steps // 3}
    assert {claim.letter for claim in CLAIMS} == set("abcdefghij")


def test_what_is_wanted_first_comes_first(params):
    plan = runs_of(chosen(("h", "b")), params, quick=True, seeds=(0, 1))
    first = [(run.encoder.kind, run.seed) for run in plan[:4]]
    assert first == [("distilled", 0), ("masked", 0), ("untrained", 0), ("distilled", 1)]
    with pytest.raises(InputError, match="claims: expected one of .*got 'k'"):
        chosen(("k",))


def test_few_labels_do_not_change_what_counts_as_few(params):
    (claim,) = chosen(("f",))
    amounts = [(one.ours.probe.rooms, one.ours.probe.points) for one in claim.comparisons if one.counts]
    assert amounts == [(0.05, 0), (0.1, 0), (0.2, 0), (1.0, 20), (1.0, 50), (1.0, 100), (1.0, 200)]
    assert all(one.other.encoder.kind == "untrained" for one in claim.comparisons if one.counts)


def test_a_run_is_found_again_by_what_it_is_made_from_alone(tmp_path, params):
    run = Run(encoder=Encoder(standard="none"), seed=1, steps=300, probe_steps=300)
    keep(run, params, figures(0.5), tmp_path)
    assert kept(run, params, tmp_path)["names"] == NAMES and kept(run, params, tmp_path)["name"] == "none-300-s1"
    others = [
        dataclasses.replace(run, seed=2),
        dataclasses.replace(run, steps=900),
        dataclasses.replace(run, probe=Probe()),
        dataclasses.replace(run, encoder=Encoder()),
    ]
    assert not any(kept(other, params, tmp_path) for other in others)
    faster = dataclasses.replace(params, distill=dataclasses.replace(params.distill, lr=0.01))
    assert kept(run, faster, tmp_path) is None
    reported = dataclasses.replace(params, fit=dataclasses.replace(params.fit, iterations=1))
    assert kept(run, reported, tmp_path)  # what the rooms hold stands in the file, not in its name


def test_a_report_that_reads_otherwise_leaves_every_run_what_it_was(params, monkeypatch):
    run = Run(seed=1, steps=300, probe_steps=300)
    before = run.key(params)
    monkeypatch.setitem(NUMBERS, "reports/evaluation", 99)
    assert run.key(params) == before
    monkeypatch.setitem(NUMBERS, "scenes/targets", 99)
    assert run.key(params) != before


def test_a_frozen_encoder_is_the_same_whatever_probes_it(params):
    probed = [Run(probe=Probe(points=n), seed=0, steps=300, probe_steps=n) for n in (20, 50)]
    assert probed[0].frozen().key(params) == probed[1].frozen().key(params) != probed[0].key(params)


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    lay_out(tmp_path)
    monkeypatch.setenv("CHORUS_ROOT", str(tmp_path))
    monkeypatch.setenv("CHORUS_PARAMS", str(tmp_path / "tiny.yaml"))
    return tmp_path


def test_a_killed_command_goes_on_where_it_was(workspace, monkeypatch, capsys):
    made = []

    def score(bench, run):
        if len(made) == 3 and run.name not in made:
            raise KeyboardInterrupt
        made.append(run.name)
        return figures(0.5)

    monkeypatch.setattr(command, "_figures", score)
    monkeypatch.setattr(command, "_absent", lambda workspace: "")
    folder, wanted = workspace / "runs", {"claims": ("h",), "quick": True, "seeds": (0, 1, 2)}
    with pytest.raises(KeyboardInterrupt):
        command.run(**wanted, runs=folder)
    assert len(list(folder.glob("*.json"))) == 3
    monkeypatch.setattr(command, "_figures", lambda bench, run: made.append(run.name) or figures(0.5))
    command.run(**wanted, runs=folder)
    assert len(made) == len(set(made)) == 10 and "3 of 10 runs are in" in capsys.readouterr().out
    command.run(**wanted, runs=folder)
    assert len(made) == 10


def test_one_run_that_cannot_be_made_does_not_stop_the_others(workspace, monkeypatch, capsys):
    def score(bench, run):
        if run.encoder.kind == "masked":
            raise MissingError("here", expected="a thing", got="nothing there")
        return figures(0.5)

    monkeypatch.setattr(command, "_figures", score)
    monkeypatch.setattr(command, "_absent", lambda workspace: "")
    with pytest.raises(StoreError, match="expected figures of 4 runs, got none of masked-4-s0"):
        command.run(claims=("h",), quick=True, seeds=(0,), runs=workspace / "runs")
    assert {path.name[:7] for path in (workspace / "runs").glob("*.json")} == {"usual-4", "untrain", "shipped"}
    with pytest.raises(InputError, match="--split held_out: expected --runs with a folder of its own"):
        command.run(split="held_out")


def test_a_fresh_clone_trains_nothing(workspace, capsys):
    """Without rooms to train on there is still the page of what lies in git."""
    command.run(claims=("h",), quick=True, runs=workspace / "runs")
    assert "10 runs are left out: scenes/targets: expected targets of 2 rooms, got none" in capsys.readouterr().err
    assert not (workspace / "runs").exists()


def test_verdicts_come_from_the_interval(tmp_path, params, all_runs):
    results = Results(params, quick=True, seeds=(0, 1, 2), runs=all_runs)
    assert verdict_of(results.claims["i"]) == "shown"  # far above masked modelling, alike in every room
    assert verdict_of(results.claims["h"]) == "shown"
    (zero_shot, probe, objects) = results.claims["b"]
    assert (zero_shot.difference.low, zero_shot.difference.high) == (0.0, 0.0) and zero_shot.verdict == "not settled"
    assert results.claims["g"][-1].verdict == "shown"  # no less, but for a point
    other = tmp_path / "worse"
    fill(other, params, lambda run: 0.9 if run.encoder.kind == "lifted" else 0.5, letters=("b",))
    worse = Results(params, quick=True, seeds=(0, 1, 2), runs=other)
    assert [found.verdict for found in worse.claims["b"]] == ["refuted"] * 3
    assert verdict_of(worse.claims["b"]) == "refuted" and verdict_of(worse.claims["c"]) == "not run"


def test_fewer_than_three_seeds_settle_nothing(tmp_path, params):
    def rights(run):
        return 0.9 if run.encoder.kind == "lifted" else 0.5

    fill(tmp_path, params, rights, letters=("b",), seeds=(0, 1))
    results = Results(params, quick=True, seeds=(0, 1, 2), runs=tmp_path)
    assert results.claims["b"][0].seeds == (2, 1) and results.claims["b"][0].difference.high < -20
    assert verdict_of(results.claims["b"]) == "not settled"
    assert verdict_of(results.shipped["b"]) == "refuted"  # neither side has seeds


def test_what_does_not_count_changes_no_verdict(tmp_path, params):
    def rights(run):
        scratch, all_labels = run.encoder.kind == "untrained", run.probe.rooms == 1.0 and not run.probe.points
        return 0.8 if scratch and all_labels else 0.3 if scratch else 0.6

    fill(tmp_path, params, rights, letters=("f",))
    results = Results(params, quick=True, seeds=(0, 1, 2), runs=tmp_path)
    assert {found.verdict for found in results.claims["f"] if not found.of.counts} == {"refuted", "not settled"}
    assert verdict_of(results.claims["f"]) == "shown"


def test_runs_on_other_rooms_are_not_compared(params, all_runs):
    path = next(all_runs.glob("masked-300-s1-*.json"))
    path.write_text(json.dumps({**read_json(path), "rooms": "4567"}))
    results = Results(params, quick=True, seeds=(0, 1, 2), runs=all_runs)
    one = Comparison(
        ours=Side(said="student", encoder=Encoder()),
        other=Side(said="own", encoder=Encoder(kind="masked")),
        figure="linear",
        measure="miou",
    )
    with pytest.raises(InputError, match="student, own: expected runs on the same rooms, got those of 0123, 4567"):
        results.compared(one)


def test_runs_of_two_kinds_of_machine_are_compared_and_the_page_says_so(tmp_path, params, all_runs):
    page = tmp_path / "claims.md"
    write(params, seeds=(0, 1, 2), runs=all_runs, page=page)
    assert "kinds of machine" not in page.read_text()
    for path in all_runs.glob("masked-300-*.json"):
        path.write_text(json.dumps({**read_json(path), "inputs": "cdef"}))
    assert write(params, seeds=(0, 1, 2), runs=all_runs, page=page)["i"] == "shown"
    assert "Runs come from 2 kinds of machine, whose rooms differ by rounding." in page.read_text()


def test_costs(params, all_runs):
    results = Results(params, quick=True, seeds=(0, 1, 2), runs=all_runs)
    by_letter = {claim.letter: results.cost(claim) for claim in CLAIMS}
    there, planned, trained, steps, hours = by_letter["h"]
    assert (there, planned, trained, steps) == (10, 10, 6, 1800) and hours == pytest.approx(10 * 1.8 / 3600)
    there, planned, trained, steps, _ = by_letter["f"]
    assert there == planned == 54 + 30 and trained == 3 + 24 + 6 + 6  # encoders, from scratch, ours, of what ships
    assert steps == trained * 300


def test_the_page_has_a_section_a_verdict_and_a_picture_of_every_claim(tmp_path, params, all_runs):
    page = tmp_path / "docs" / "claims.md"
    page.parent.mkdir()
    verdicts = write(params, seeds=(0, 1, 2), runs=all_runs, page=page)
    assert set(verdicts) == set("abcdefghij") and verdicts["i"] == "shown" and verdicts["c"] == "not settled"
    text = page.read_text()
    headings = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors
    pictures = re.findall(r"!\[[^]]*\]\(([^)]+)\)", text)
    assert len(pictures) == 10 + len(CURVES) and all((page.parent / path).stat().st_size > 5000 for path in pictures)
    assert "**shown** at 300 steps" in text and "reads the truth" in text and "CPU hours" in text
    before = {path: path.read_bytes() for path in page.parent.rglob("*") if path.is_file()}
    write(params, seeds=(0, 1, 2), runs=all_runs, page=page)
    assert before == {path: path.read_bytes() for path in page.parent.rglob("*") if path.is_file()}


def test_the_longest_trainings_a_claim_was_wholly_run_with_decide(tmp_path, params, all_runs):
    page = tmp_path / "claims.md"
    fill(all_runs, params, lambda run: 0.7, letters=("h",), quick=False)
    some = [run for run in runs_of(chosen(("d",)), params, quick=False, seeds=(0,)) if run.encoder.late]
    assert some and kept(some[0], params, all_runs)  # one side of claim d: not enough
    verdicts = write(params, seeds=(0, 1, 2), runs=all_runs, page=page)
    assert verdicts["h"] == "not settled" and verdicts["i"] == "shown"
    text = page.read_text()
    assert "**not settled** at 900 steps" in text and "**shown** at 300 steps" in text


def test_without_runs_there_is_no_page(tmp_path, params):
    with pytest.raises(InputError, match="expected figures of runs, got none. Train: make claims."):
        write(params, seeds=(0,), runs=tmp_path, page=tmp_path / "claims.md")


def test_the_page_in_git_is_what_the_runs_in_git_say(tmp_path, params):
    """A fresh clone makes the same page, without a workspace."""
    ours = [run for quick in (True, False) for run in runs_of(chosen(()), params, quick=quick, seeds=(0, 1, 2))]
    lost = set(RUNS.glob("*-s*.json")) - {run.file(params) for run in ours}
    assert not lost, (
        "runs of other parameters or recipes: make claims makes them anew; these go, and the page is written"
    )
    page = tmp_path / "claims.md"
    verdicts = write(params, seeds=(0, 1, 2), runs=RUNS, page=page)
    assert len(verdicts) == 10 and "not run" not in verdicts.values()
    assert page.read_text() == PAGE.read_text()


def test_readme_agrees_with_the_page():
    rows = re.findall(r"^\| \[([a-j])\]\(#.*?\| \*\*(.+?)\*\* \|", PAGE.read_text(), flags=re.MULTILINE)
    assert len(rows) == 10
    text = " ".join((ROOT / "README.md").read_text().split())
    for verdict in ("shown", "refuted", "not settled"):
        letters = ", ".join(letter for letter, found in rows if found == verdict)
        assert f"**{verdict}**: {letters}" in text


@pytest.mark.slow
def test_every_kind_of_run_is_trained_and_scored(workspace, monkeypatch, capsys):
    """For real, on a tiny home; figures are the same when a run is computed once more."""
    from chorus.recipes import chain, trial
    from chorus.workspace import Workspace

    def designed(workspace, folder, *, designed, generated):
        """The tiny home has no catalogue to draw rooms from: as many designed ones stand for them."""
        return trial.lay_out(workspace, folder, designed=generated)

    monkeypatch.setattr(train, "lay_out", designed)
    assert not chain.teach(Workspace.open(), (), retrain=False, jobs=2)
    folder, wanted = workspace / "runs", {"claims": ("b", "h", "g", "j"), "quick": True, "seeds": (0,)}
    with pytest.raises(StoreError, match="got none of shipped-adapted1-12-s0, "):
        command.run(**wanted, runs=folder)  # the encoder the shipped model was made of is not here
    assert "Make it: make pretrain." in capsys.readouterr().err
    params = Workspace.open().params
    plan = runs_of(chosen(wanted["claims"]), params, quick=True, seeds=(0,))
    missing = [run.name for run in plan if kept(run, params, folder) is None]
    assert missing and all("shipped-adapted" in name for name in missing)
    drawn = [kept(run, params, folder)["generated"] for run in plan if run.encoder.reads_generated]
    assert len(drawn) == 2 and len(set(drawn)) == 1  # both learn from the same rooms
    again = next(run for run in plan if run.encoder == Encoder() and run.probe is None)
    first = kept(again, params, folder)["figures"]
    assert {"zero_shot", "zero_shot_raw", "zero_shot_instances", "objects", "linear", "retrieval"} <= set(first)
    again.file(params, folder).unlink()
    shutil.rmtree(workspace / ".state" / "claims")
    with pytest.raises(StoreError):
        command.run(**wanted, runs=folder)
    assert kept(again, params, folder)["figures"] == first

    store = Workspace.open().store
    compact = StoredScenes.of(store, ["train-a", "train-b"])
    lifted = exact(compact, store)
    for which in range(2):
        ours, theirs = compact.open(which), lifted.open(which)
        assert torch.equal(ours.scene.means, theirs.scene.means)
        for role in ours.targets:
            seen = torch.nonzero(ours.valid[role])[:, 0]
            x, y = ours.target(role, seen), theirs.target(role, seen)
            assert 0 < (x - y).square().sum() / y.square().sum() < 0.02, "as far as params.yaml lets rows be"

    points, scratch = Encoder(variant="points"), Encoder(kind="untrained", variant="points")
    few = {Probe(points=20): points, Probe(kind="decoder", rooms=0.5): points, Probe(kind="tune", points=50): scratch}
    bench = Bench(Workspace.open())
    for probe, encoder in few.items():
        found = command._figures(bench, Run(encoder=encoder, probe=probe, seed=1, steps=4, probe_steps=4))
        (figure,) = found["figures"].values()
        assert [name for name, _ in figure["rooms"]] == ["check-a"] and "inputs" in found
        assert sum(map(int, figure["truth"][0].split())) > 100
    assert measure(Workspace.open())["lifted"]["bytes"] > 1000
