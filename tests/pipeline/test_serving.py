"""The registered model behind MLflow's own scoring server, with its example and with what is none."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import mlflow
import numpy as np
import pytest

import chorus
from chorus.encoder.shipped import SAMPLE, WEIGHTS
from chorus.io import read_scene
from chorus.listen import free_port
from orchestration.run.state import QUIET
from orchestration.tracking.registration import log_encoder

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow  # starts a server


@pytest.fixture(scope="module")
def logged(tmp_path_factory) -> Path:
    """The model that ships, logged as a registered one is; its folder."""
    folder = tmp_path_factory.mktemp("mlflow")
    before = mlflow.get_tracking_uri()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "")  # where set_tracking_uri writes too: put back after this
        mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
        experiment = mlflow.create_experiment("serving", artifact_location=(folder / "artifacts").as_uri())
        with mlflow.start_run(experiment_id=experiment):
            uri = log_encoder(WEIGHTS / "splats").model_uri
        found = Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(folder / "model")))
        mlflow.set_tracking_uri(before)
    return found


@pytest.fixture(scope="module")
def address(logged, tmp_path_factory):
    port = free_port("127.0.0.1", None)
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(logged), "--env-manager", "local"]
    environment = {**os.environ, **QUIET, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"],
        env=environment,
        cwd=tmp_path_factory.mktemp("elsewhere"),
        start_new_session=True,  # it starts others, which end with it
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield waited_for(f"http://127.0.0.1:{port}", server)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def waited_for(address: str, server: subprocess.Popen) -> str:
    end = time.time() + 120
    while time.time() < end and server.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/ping", timeout=5)
            return address
        except OSError:
            time.sleep(0.3)
    raise AssertionError("the server did not start")


def posted(address: str, body: bytes) -> tuple[int, dict]:
    request = urllib.request.Request(f"{address}/invocations", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


class Pickled(mlflow.pyfunc.PythonModel):
    """A model as others log them: its object is pickled."""

    def predict(self, context, model_input, params=None):
        return model_input


@pytest.fixture
def example(logged) -> dict:
    return json.loads((logged / "serving_input_example.json").read_text())


def test_the_schema_names_the_arrays(logged):
    signature = mlflow.models.Model.load(str(logged)).signature
    assert signature.inputs.input_names() == ["means", "quats", "log_scales", "opacity_logits", "sh"]
    assert [spec.shape for spec in signature.inputs.inputs] == [(-1, 3), (-1, 4), (-1, 3), (-1,), (-1, -1, 3)]
    assert {param.name for param in signature.params.params} == {"queries", "output"}


def test_nothing_in_it_is_pickled_and_nothing_pickled_is_loaded_beside_it(logged, tmp_path, monkeypatch):
    """The server below, too, answers with pickles refused."""
    assert not [path for path in logged.rglob("*") if path.suffix in (".pkl", ".pickle", ".joblib", ".pt", ".pth")]
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", QUIET["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"])
    mlflow.pyfunc.load_model(str(logged))
    mlflow.pyfunc.save_model(tmp_path / "pickled", python_model=Pickled(), pip_requirements=[])
    with pytest.raises(mlflow.exceptions.MlflowException, match="pickle is disallowed"):
        mlflow.pyfunc.load_model(str(tmp_path / "pickled"))


def test_the_example_is_answered(address, example):
    status, found = posted(address, json.dumps(example).encode())
    assert status == 200 and set(found["predictions"]) == {"positions", "scores"}
    np.testing.assert_allclose(found["predictions"]["positions"], example["inputs"]["means"], atol=1e-6)


def test_a_whole_room_is_scored_as_the_library_does(address):
    scene = read_scene(SAMPLE)
    inputs = {name: array.numpy().tolist() for name, array in scene.tensors().items()}
    body = {"inputs": inputs, "params": {"queries": ["a bed", "a lamp"], "output": "none"}}
    status, found = posted(address, json.dumps(body).encode())
    wanted = chorus.load(device="cpu").encode(scene, outputs=("lang",)).query(["a bed", "a lamp"])
    assert status == 200
    np.testing.assert_allclose(found["predictions"]["scores"], wanted.numpy(), atol=1e-3)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda body: body["inputs"]["means"][0].__setitem__(0, float("nan")), "expected finite means"),
        (lambda body: body["inputs"].update(sh=body["inputs"]["sh"][:10]), "expected sh of shape"),
        (lambda body: body["inputs"].update(means="scene.ply"), "scene.ply"),
        (lambda body: body["params"].update(output="dinosaur"), "expected outputs among"),
        (lambda body: body.update(inputs="/etc/passwd"), "/etc/passwd"),
    ],
)
def test_bad_input_is_one_line_and_the_server_stays(address, example, change, says):
    body = json.loads(json.dumps(example))
    change(body)
    status, refused = posted(address, json.dumps(body).encode())
    assert status == 400 and says in refused["message"] and "\n" not in refused["message"], refused
    assert len(refused["message"]) < 300 and "stack_trace" not in refused
    assert posted(address, json.dumps(example).encode())[0] == 200


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda inputs: inputs.pop("sh"), "Model is missing inputs ['sh']"),
        (lambda inputs: inputs.update(means=[]), "Shape of input (0,) does not match expected shape (-1, 3)"),
    ],
)
def test_what_the_schema_refuses(address, example, change, says):
    """MLflow's own refusals, which show the input before their reason."""
    change(example["inputs"])
    status, refused = posted(address, json.dumps(example).encode())
    assert status == 400 and says in refused["message"]
