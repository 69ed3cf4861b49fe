"""teach, distill, adapt and evaluate, in a virtual environment in which no workflow tool is installed, nor what the
foundation teachers need."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest
import torch

from chorus.encoder.shipped import WEIGHTS
from chorus.errors import InputError
from chorus.io import read_features
from chorus.recipes import chain
from chorus.recipes.models import VARIANTS
from chorus.store import Store, hash_files, manifest_of
from chorus.train.live import Follower
from tests.pipeline.servers import bucket
from tests.pipeline.tiny import lay_out

FORBIDDEN = tuple(
    "dagster mlflow dvc great_expectations timm torchvision transformers open_clip segment_anything".split()
)


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """The interpreter of an environment with everything but those."""
    folder = tmp_path_factory.mktemp("env")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    code = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    python = folder / "bin" / "python"
    site = Path(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip())
    for entry in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if not entry.name.startswith(FORBIDDEN):
            (site / entry.name).symlink_to(entry)
    return python


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A project folder with the tiny home and nothing made yet."""
    root = tmp_path_factory.mktemp("project")
    lay_out(root)
    return root


@pytest.fixture(scope="module")
def told(python, root) -> dict[str, str]:
    """Verb -> what it said when the chain of the tiny home was made."""
    verbs = (("teach",), ("distill",), ("adapt",), ("evaluate", "--split", "validation"))
    return {words[0]: chorus(python, root, *words) for words in verbs}


def test_the_library_trains_by_itself(python, root, told):
    there = "getattr(u.find_spec(name), 'origin', None)"  # our own folder mlflow/ is no package: it has no origin
    absent = f"import importlib.util as u; print([name for name in {FORBIDDEN!r} if {there}])"
    assert run(python, root, "-c", absent).stdout.strip() == "[]"
    assert "7 scenes with targets" in told["teach"]
    assert "encoder: trained" in told["distill"] and "adapted encoder: trained" in told["adapt"]
    assert "validation" in told["evaluate"]
    assert "2 rooms, seed 0" in chorus(python, root, "record", "-o", "run.json")
    assert "points/model.safetensors" in chorus(python, root, "export", "-o", "box", "--most", "8")
    assert json.loads((root / "box" / "run.json").read_text()) == json.loads((root / "run.json").read_text())
    chorus(
        python, root, "encode", str(Store(root).scene("test-a", "gaussians")), "-o", "f.safetensors", "--model", "box"
    )
    done = run(python, root, "-m", "chorus.cli", "export", "-o", "box", "--most", "0.1")
    assert done.returncode == 2 and "box: expected weights of 0.1 MB at most, got" in done.stderr
    for what, verb in (("encoder: already there", "distill"), ("adapted encoder: already there", "adapt")):
        assert what in chorus(python, root, verb)


@pytest.mark.slow
def test_the_held_out_rooms_are_told_beside_those_for_validation(python, root, told):
    chorus(python, root, "evaluate")
    store = Store(root)
    held_out, validation = (
        json.loads((store.report(s) / "metrics.json").read_text()) for s in ("held_out", "validation")
    )
    assert held_out["data"]["rooms"] == ["test-a"] and validation["data"]["rooms"] == ["check-a"]
    assert held_out["validation"]["student"]["f_miou"] == validation["zero_shot"]["student"]["f_miou"]


def test_figures_of_another_encoder_are_not_this_ones(python, root, told):
    report = Store(root).report("validation") / "metrics.json"
    figures = json.loads(report.read_text())
    report.write_text(json.dumps(figures | {"provenance": {**figures["provenance"], "models/encoder": "0" * 64}}))
    done = run(python, root, "-m", "chorus.cli", "record", "-o", "run.json")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "expected figures of the encoder" in done.stderr and "chorus evaluate --split validation" in done.stderr


@pytest.mark.slow
def test_two_ranks_adapt_whoever_starts_them(python, root, told):
    store = Store(root)
    assert "adapted encoder: trained" in chorus(python, root, "adapt", "--nproc", "2")
    launched = hash_files(store.model("adapted"))
    assert "ranks=2" in manifest_of(store.model("adapted"))["params"]["adapt"]
    assert "adapted encoder: already there" in chorus(python, root, "adapt", "--nproc", "2")
    shutil.rmtree(store.model("adapted"))
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m", "chorus", "adapt")
    done = run(python, root, *torchrun)
    assert done.returncode == 0 and done.stdout.count("adapted encoder: trained") == 1, done.stderr
    assert hash_files(store.model("adapted")) == launched
    assert not list(store.training("adapted").iterdir())


@pytest.mark.parametrize(  # the workspace's own, and the one that ships
    "model", [pytest.param(None, marks=pytest.mark.slow), WEIGHTS]
)
def test_a_model_is_adapted_to_scenes_of_ones_own(python, root, told, tmp_path, model):
    named, out = () if model is None else ("--model", str(model)), tmp_path / "own"
    said = chorus(python, root, "adapt", "test-a", "-o", str(out), *named)
    assert f"{' '.join(('', *named))} --adapter {out}/adapter" in said and "adapted to test-a" in said
    scene, answers = str(Store(root).scene("test-a", "gaussians")), {}
    for name, more in (("before", ()), ("adapter", ("--adapter", str(out / "adapter"))), ("whole", None)):
        more = (*named, *more) if more is not None else ("--model", str(out))
        chorus(python, root, "encode", scene, "-o", str(tmp_path / f"{name}.safetensors"), *more)
        answers[name] = read_features(tmp_path / f"{name}.safetensors").features.float()
    assert torch.equal(answers["adapter"], answers["whole"]) and not torch.equal(answers["adapter"], answers["before"])


@pytest.mark.parametrize(
    "words, says",
    [
        (("test-a",), "expected -o, a folder for the adapted model"),
        (("-o", "own", "--tune", "all"), "--output, --tune: expected names of scenes to adapt to"),
        (("tset-a", "-o", "own"), "test-a"),
        (("test-a", "-o", "own", "--model", "nowhere"), "expected a trained encoder's folder"),
    ],
)
def test_adapting_says_in_a_line_what_is_missing(python, root, told, words, says):
    done = run(python, root, "-m", "chorus.cli", "adapt", *words)
    assert done.returncode == 2 and says in done.stderr.splitlines()[-1] and not (root / "own").exists()


@pytest.mark.parametrize(
    "verb, training, number, code",
    [("distill", "points", signal.SIGTERM, 75), ("adapt", "adapted", signal.SIGINT, 130)],  # processes of its own; none
)
def test_asked_to_stop_a_training_keeps_its_checkpoint_and_says_so_in_a_line(
    python, root, told, verb, training, number, code
):
    overlay = (root / "tiny.yaml").read_text().replace("distill: {steps: 12", "distill: {steps: 5000")
    (root / "long.yaml").write_text(overlay.replace("adapt: {steps: 6", "adapt: {steps: 5000"))
    environment = {**os.environ, "CHORUS_ROOT": str(root), "CHORUS_PARAMS": str(root / "long.yaml")}
    process = begun(python, root, environment, verb)
    figures, deadline = Follower(Store(root).training(training)), time.monotonic() + 120
    while not figures.new() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    lines = process.communicate(timeout=60)[1].splitlines()
    assert process.returncode == code, lines
    assert [line for line in lines if not line.startswith("  ")] == [lines[-1]]  # the others say how far it is
    assert re.fullmatch(
        r"chorus: .*training.pt: expected 5000 steps, got a request to stop after .* again: .*", lines[-1]
    )
    assert (Store(root).training(training) / "training.pt").exists()


def begun(python, root, environment, verb) -> subprocess.Popen[str]:
    """A verb that Ctrl-C reaches, with all of its workers, in a group of its own."""
    return subprocess.Popen(
        [str(python), "-m", "chorus.cli", verb],
        cwd=root,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a job in the background has none
    )


def test_ctrl_c_ends_teach_in_a_line(python, tmp_path):
    lay_out(tmp_path)
    environment = {**os.environ, "CHORUS_ROOT": str(tmp_path), "CHORUS_PARAMS": str(tmp_path / "tiny.yaml")}
    process, deadline = begun(python, tmp_path, environment, "teach"), time.monotonic() + 120
    while not list((tmp_path / "data").glob("capture/.*.tmp")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=60)[1] == "chorus: interrupted\n" and process.returncode == 130


@pytest.mark.parametrize("asked, there, usual, ranks", [(None, 1, 3, 3), (2, 1, 3, 2), (None, 4, 3, 4), (4, 4, 1, 4)])
def test_how_many_ranks_share_a_step(monkeypatch, asked, there, usual, ranks):
    monkeypatch.setenv("WORLD_SIZE", str(there))
    assert chain._ranks(asked, usual) == ranks


def test_ranks_that_cannot_be(monkeypatch):
    with pytest.raises(InputError, match="--nproc: expected 1 or more, got -1"):
        chain._ranks(-1, 1)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="--nproc: expected 3 ranks, got 2 that torchrun started"):
        chain._ranks(3, 1)
    monkeypatch.setenv("WORLD_SIZE", "two")
    with pytest.raises(InputError, match="RANK and WORLD_SIZE: expected numbers"):
        chain._ranks(None, 1)


def test_a_test_room_without_targets_is_named(python, root, told):
    shutil.rmtree(Store(root).scene("test-a", "targets"))
    done = run(python, root, "-m", "chorus.cli", "evaluate")
    assert done.returncode == 2 and "scenes/targets of test-a: expected current targets" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.fixture
def elsewhere(root, told, tmp_path) -> Path:
    """Another project folder with the same parameters and teachers, and no rooms."""
    for name in ("params.yaml", "tiny.yaml"):
        shutil.copyfile(root / name, tmp_path / name)
    shutil.copytree(Store(root).embedded_teacher, Store(tmp_path).embedded_teacher)
    return tmp_path


def weights(root: Path) -> dict[str, bytes]:
    """Variant -> what it learnt."""
    return {name: (Store(root).model("encoder") / name / "model.safetensors").read_bytes() for name in VARIANTS}


def test_an_encoder_is_distilled_from_shards_where_there_are_no_rooms(python, root, elsewhere, tmp_path_factory):
    shards = str(tmp_path_factory.mktemp("shards"))
    assert "2 scenes in 1 shards" in chorus(python, root, "shard", shards)
    assert "encoder: trained" in chorus(python, elsewhere, "distill", CHORUS_SHARDS=shards)
    assert weights(elsewhere) == weights(root)
    assert "encoder: already there" in chorus(python, elsewhere, "distill", CHORUS_SHARDS=shards)
    done = run(python, elsewhere, "-m", "chorus.cli", "distill", CHORUS_SHARDS=f"{shards}/nothing")
    assert done.returncode == 2 and "expected an address of shards" in done.stderr


@pytest.mark.slow
def test_two_ranks_are_taught_from_a_bucket(python, root, elsewhere, tmp_path_factory):
    local, trained = str(tmp_path_factory.mktemp("shards")), {}
    with bucket("chorus"):
        for address in (local, "s3://chorus/shards"):
            assert "2 scenes in 2 shards" in chorus(python, root, "shard", address, "--scenes", "1")
            shutil.rmtree(Store(elsewhere).model("encoder"), ignore_errors=True)
            shutil.rmtree(Store(elsewhere).state / "shards", ignore_errors=True)
            chorus(python, elsewhere, "distill", "--nproc", "2", CHORUS_SHARDS=address)
            trained[address] = weights(elsewhere)
    assert trained[local] == trained["s3://chorus/shards"] and trained[local] != weights(root)


def chorus(python: Path, root: Path, *argv: str, **environment: str) -> str:
    done = run(python, root, "-m", "chorus.cli", *argv, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run(python: Path, root: Path, *argv: str, **more: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "CHORUS_ROOT": str(root), "CHORUS_PARAMS": str(root / "tiny.yaml"), **more}
    return subprocess.run([str(python), *argv], cwd=root, env=environment, capture_output=True, text=True)


def test_a_bad_folder_stops_no_other_scene(python, root):
    bad = root / "data" / "incoming" / "bad"
    bad.mkdir(parents=True)
    (bad / "transforms.json").write_text("{}")
    done = run(python, root, "-m", "chorus.cli", "teach")
    assert done.returncode == 2 and "7 scenes with targets" in done.stdout
    assert "bad: " in done.stderr and "expected targets of every scene, got none of bad" in done.stderr
    assert (Store(root).scene("test-a", "targets") / "manifest.json").is_file()  # made again: a test before removed it
