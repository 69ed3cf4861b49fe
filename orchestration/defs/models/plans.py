"""What makes the encoder and its adaptation."""

from pathlib import Path

from chorus.errors import ChorusError, StoreError
from chorus.params import Params
from chorus.store import Store
from orchestration.defs.scenes import plans as scenes
from orchestration.plan import Plan, hash_of, part_hash
from orchestration.scene_list import rooms

PARTS = ("gaussians", "teacher_views", "targets")


def encoder(store: Store, params: Params) -> Plan:
    """Both input variants, distilled on the training rooms of the main domain."""
    names = ready(store, params, rooms(store, split="train", domain="main"))
    request = {"encoder": params.encoder, "distill": params.distill, "text": _words(store, params), "seed": params.seed}
    return Plan(
        path=store.model("encoder"),
        stage="models/encoder",
        make=lambda out: _train(store, params, names, out),
        params=request,
        inputs=hashes(store, names),
    )


def _words(store: Store, params: Params) -> str:
    if params.teachers.family == "embedded":
        return "embedded"  # as words_source says, without importing torch for a plan
    from chorus.teachers.load import words_source

    return words_source(params.teachers, store)


def ready(store: Store, params: Params, names: list[str]) -> list[str]:
    """The rooms whose targets are there and up to date; one that failed a check has none. Raises StoreError when none
    is."""
    found = [name for name in names if _current(store, params, name)]
    if not found:
        raise StoreError(
            "scenes/targets",
            expected=f"targets of {len(names)} rooms",
            got="none up to date",
            fix="Materialize scenes/targets first.",
        )
    return found


def _current(store: Store, params: Params, scene: str) -> bool:
    try:
        return scenes.targets(store, params, scene).is_current
    except ChorusError:
        return False


def hashes(store: Store, names: list[str]) -> dict[str, str]:
    """Content hashes of what a training reads of these rooms."""
    return {f"{name}/{part}": part_hash(store, name, part) for name in names for part in PARTS}


def _train(store: Store, params: Params, names: list[str], out: Path) -> None:
    from orchestration.training import VARIANTS, in_parallel, train_variant

    for variant in VARIANTS:
        (out / variant).mkdir()
    in_parallel(train_variant, [(store.root, params, variant, names, out / variant) for variant in VARIANTS])


def adapted_encoder(store: Store, params: Params) -> Plan:
    """The splats variant, adapted on the training rooms of the second domain without labels."""
    names = ready(store, params, rooms(store, split="train", domain="second"))
    inputs = {"encoder": hash_of(store.model("encoder"), "models/encoder"), **hashes(store, names)}
    return Plan(
        path=store.model("adapted"),
        stage="models/adapted_encoder",
        make=lambda out: _adapt(store, params, names, out),
        params={"adapt": params.adapt, "seed": params.seed},
        inputs=inputs,
    )


def _adapt(store: Store, params: Params, names: list[str], out: Path) -> None:
    from orchestration.training import adapt_on

    adapt_on(store, params, names, out)
