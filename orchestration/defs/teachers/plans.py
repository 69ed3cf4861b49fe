"""What makes the embedded teachers' heads: training on the training homes, or a copy of the ones that ship with the
package."""

import dataclasses
import shutil
from pathlib import Path

from chorus.errors import StoreError
from chorus.params import Params
from chorus.store import Store, hash_folder
from orchestration.plan import Plan, part_hash
from orchestration.scene_list import rooms

NOT_OURS = (
    "family",
    "dir",
    "storage",
    "storage_error",
    "foundation",
)  # parameters that the embedded heads' training does not read


def embedded(store: Store, params: Params, *, retrain: bool = False) -> Plan:
    """The trained heads when asked for or when they are there and up to date, else the shipped ones."""
    try:
        trained = _trained(store, params)
    except StoreError:  # captures are missing: nothing can have been trained on them
        if retrain:
            raise
        return _shipped(store, params)
    return trained if retrain or trained.is_current else _shipped(store, params)


def _trained(store: Store, params: Params) -> Plan:
    # Both domains: a teacher is a broad model of images; what has yet to meet the second domain is the encoder.
    names = [name for domain in ("main", "second") for name in rooms(store, split="train", domain=domain)]
    inputs = {name: part_hash(store, name, "capture") for name in names}
    own = {name: value for name, value in dataclasses.asdict(params.teachers).items() if name not in NOT_OURS}
    request = {**own, "seed": params.seed}
    return Plan(
        path=store.embedded_teacher,
        stage="teachers/embedded",
        make=lambda out: _train(store, names, params, out),
        params=request,
        inputs=inputs,
    )


def _train(store: Store, names: list[str], params: Params, out: Path) -> None:
    from chorus.capture import Capture
    from chorus.teachers.embedded.train import train_embedded

    captures = [Capture.load(store.scene(name, "capture")) for name in names]
    train_embedded(captures, params.teachers, out=out, seed=params.seed)


def _shipped(store: Store, params: Params) -> Plan:
    from chorus.teachers.embedded import weights

    withheld = (
        {"withheld": sorted(params.teachers.withheld)} if params.teachers.family == "embedded" else {}
    )  # of teachers nobody asks, no matter
    return Plan(
        path=store.embedded_teacher,
        stage="teachers/embedded",
        make=lambda out: _copy(weights.SHIPPED, params, out),
        params=withheld,
        inputs={"shipped": hash_folder(weights.SHIPPED)},
    )


def _copy(folder: Path, params: Params, out: Path) -> None:
    """Copy the shipped heads. Raises StoreError when other class names were withheld from them than params.yaml
    says."""
    from chorus.teachers.embedded.weights import provenance

    withheld = set(provenance(folder)["training"]["withheld"])
    if params.teachers.family == "embedded" and withheld != set(params.teachers.withheld):
        raise StoreError(
            "teachers/embedded",
            expected=f"shipped heads that never saw {', '.join(sorted(params.teachers.withheld))}",
            got=f"heads that never saw {', '.join(sorted(withheld))}",
            fix="Train them with --retrain (in the UI: retrain: true).",
        )
    for path in sorted(folder.iterdir()):
        if path.is_file():
            shutil.copyfile(path, out / path.name)
