"""Every asset and its recipe, and the phases in which a command makes them."""

from collections.abc import Callable

from chorus.names import one_of
from chorus.recipes import models, reports, scenes, teachers
from chorus.recipes.recipe import Recipe
from chorus.stages import (
    ADAPTED,
    CAPTURE,
    EMBEDDED,
    ENCODER,
    EVALUATION,
    GAUSSIANS,
    PER_SCENE,
    REGISTRY,
    TARGETS,
    TEACHER_VIEWS,
)
from chorus.store import check_scene_id
from chorus.workspace import Workspace
from orchestration.recipes import registry

ASSETS: dict[str, Callable[..., Recipe]] = {
    CAPTURE: scenes.capture,
    GAUSSIANS: scenes.gaussians,
    EMBEDDED: teachers.embedded,
    TEACHER_VIEWS: scenes.teacher_views,
    TARGETS: scenes.targets,
    ENCODER: models.encoder,
    ADAPTED: models.adapted_encoder,
    EVALUATION: reports.evaluation,
    REGISTRY: registry.chorus_encoder,
}
# What one worker does in a row: a Dagster run holds a scene's assets between two points where all scenes meet.
PHASES = (
    (CAPTURE, GAUSSIANS),
    (EMBEDDED,),
    (TEACHER_VIEWS, TARGETS),
    (ENCODER,),
    (ADAPTED,),
    (EVALUATION,),
    (REGISTRY,),
)


def recipe(asset: str, workspace: Workspace, *, scene: str | None = None, retrain: bool = False) -> Recipe:
    """The recipe of an asset, of one scene where it has scenes; retrain: of the embedded teachers. Raises ChorusError
    when what it is made from is absent."""
    make = ASSETS[one_of(asset, ASSETS, "asset")]
    if asset in PER_SCENE:
        return make(workspace, check_scene_id(scene))
    return make(workspace, retrain=retrain) if asset == EMBEDDED else make(workspace)
