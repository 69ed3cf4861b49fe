"""Write dvc.yaml from data/scenes.yaml: one DVC stage an asset, one output a scene (DVC has no wildcards for outputs).

python -m orchestration.pipeline        after a change of the scene list; a test holds that the two agree
"""

from collections.abc import Iterable
from pathlib import Path

from chorus.store import Store
from orchestration.scene_list import specs

HEADER = """\
# The chain for DVC: each stage materializes one Dagster asset, in process, in the instance the UI shows.
# Written by `python -m orchestration.pipeline` from data/scenes.yaml; change it there.
# Outputs persist: a killed stage goes on where it was, and what is up to date is not made again.
stages:
"""
SCENES = "data/scenes.yaml"
EMBEDDED = "data/teachers/embedded"
ENCODER, ADAPTED, REPORTS = "data/models/encoder", "data/models/adapted", "data/reports"


def text(store: Store) -> str:
    """The content of dvc.yaml."""
    listed = specs(store)
    every = list(listed)
    train = [name for name in every if listed[name].split == "train"]
    main, second = (
        _parts(store, [name for name in train if listed[name].domain == domain], "targets")
        for domain in ("main", "second")
    )
    parts = {part: _parts(store, every, part) for part in ("capture", "gaussians", "teacher_views", "targets")}
    views = "teachers.family teachers.storage teachers.storage_error teachers.foundation"
    heads = "seed teachers.withheld teachers.train_pairs teachers.train_steps teachers.lr"
    stages = [
        _stage("capture", "scenes/capture", "capture", [SCENES, "chorus/sources"], parts["capture"]),
        _stage("gaussians", "scenes/gaussians", "seed fit", [*parts["capture"], "chorus/splat"], parts["gaussians"]),
        _stage(
            "embedded",
            "teachers/embedded --retrain",
            heads,
            [*_parts(store, train, "capture"), "chorus/teachers"],
            [EMBEDDED],
        ),
        _stage(
            "teacher_views",
            "scenes/teacher_views",
            views,
            [*parts["gaussians"], EMBEDDED, "chorus/teachers"],
            parts["teacher_views"],
        ),
        _stage("targets", "scenes/targets", "targets", parts["teacher_views"], parts["targets"]),
        _stage(
            "encoder", "models/encoder", "seed encoder distill", [*main, "chorus/encoder", "chorus/distill"], [ENCODER]
        ),
        _stage(
            "adapted_encoder", "models/adapted_encoder", "seed adapt", [ENCODER, *second, "chorus/adapt"], [ADAPTED]
        ),
        _stage(
            "evaluation",
            "reports/evaluation",
            "seed evaluate",
            [ENCODER, ADAPTED, *parts["targets"], "chorus/evaluate"],
            [REPORTS],
        ),
        _stage("registry", "registry/chorus_encoder", "", [ENCODER, ADAPTED, REPORTS, "mlflow/scene_encoder.py"], []),
    ]
    return HEADER + "\n".join(stages)


def _parts(store: Store, scenes: Iterable[str], part: str) -> list[str]:
    return [store.scene(scene, part).relative_to(store.root).as_posix() for scene in scenes]


def _stage(name: str, asset: str, params: str, deps: list[str], outs: list[str]) -> str:
    lines = [f"  {name}:", f"    cmd: python -m orchestration.materialize {asset}"]
    lines += [f"    params: [{', '.join(params.split())}]"] if params else []
    lines += ["    deps:", *(f"      - {path}" for path in deps)]
    lines += ["    outs:", *(f"      - {path}: {{persist: true}}" for path in outs)] if outs else []
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write dvc.yaml in the working directory."""
    Path("dvc.yaml").write_text(text(Store(Path.cwd())))


if __name__ == "__main__":
    main()
