"""Every asset's plan by name, the scenes there are, and the seconds each stage took. No Dagster here.

The plan functions lie beside the assets, in defs/<noun>/plans.py; each takes (store, params, scene) and reads only
manifests.
"""

from collections.abc import Callable
from pathlib import Path

from chorus.names import one_of
from chorus.params import Params
from chorus.store import Store, atomic_file, check_scene_id
from orchestration.defs.models import plans as models
from orchestration.defs.registry import plans as registry
from orchestration.defs.reports import plans as reports
from orchestration.defs.scenes import plans as scenes
from orchestration.defs.teachers import plans as teachers
from orchestration.plan import Plan
from orchestration.scene_list import all_scenes

EMBEDDED = "teachers/embedded"
PLANS: dict[str, Callable[..., Plan]] = {
    "scenes/capture": scenes.capture,
    "scenes/gaussians": scenes.gaussians,
    EMBEDDED: teachers.embedded,
    "scenes/teacher_views": scenes.teacher_views,
    "scenes/targets": scenes.targets,
    "models/encoder": models.encoder,
    "models/adapted_encoder": models.adapted_encoder,
    "reports/evaluation": reports.evaluation,
    "registry/chorus_encoder": registry.chorus_encoder,
}
PER_SCENE = tuple(name for name in PLANS if name.startswith("scenes/"))
# What one worker does in a row: a Dagster run holds a scene's assets between two points where all scenes meet.
PHASES = (
    ("scenes/capture", "scenes/gaussians"),
    (EMBEDDED,),
    ("scenes/teacher_views", "scenes/targets"),
    ("models/encoder",),
    ("models/adapted_encoder",),
    ("reports/evaluation",),
    ("registry/chorus_encoder",),
)


def plan(asset: str, store: Store, params: Params, *, scene: str | None = None, retrain: bool = False) -> Plan:
    """The plan of an asset, of one scene where it has scenes. Raises ChorusError when what it is made from is
    absent."""
    make = PLANS[one_of(asset, PLANS, "asset")]
    if asset in PER_SCENE:
        return make(store, params, check_scene_id(scene))
    return make(store, params, retrain=retrain) if asset == EMBEDDED else make(store, params)


def record_seconds(store: Store, asset: str, scene: str | None, seconds: float) -> None:
    """Keep how long an artifact took to make, outside the artifact itself, which holds nothing that differs between
    runs."""
    with atomic_file(_seconds(store) / asset / f"{scene or 'all'}.txt") as path:
        path.write_text(f"{seconds:.4f}\n")


def seconds_by_stage(store: Store) -> dict[str, float]:
    """Stage (``capture``, ``gaussians``, ...) -> seconds of work, summed over the scenes there are now."""
    names = ["all", *all_scenes(store)]
    files = {asset: [_seconds(store) / asset / f"{name}.txt" for name in names] for asset in PLANS}
    made = {asset: [float(path.read_text()) for path in paths if path.exists()] for asset, paths in files.items()}
    return {asset.split("/")[1]: round(sum(seconds), 4) for asset, seconds in made.items() if seconds}


def _seconds(store: Store) -> Path:
    return store.state / "seconds"
