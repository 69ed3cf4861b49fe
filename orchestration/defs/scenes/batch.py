"""Many scenes in one run: what a backfill asks for starts and imports once a batch, not once a scene.

Dagster gives a run of many partitions one result an asset. Here each scene gets its own: the step of the first stage
that the run selects takes scene after scene through all of them, records what it made and how its checks judged it,
and goes on with the next scene where one fails. The steps of the later stages find nothing to do and are skipped; the
run fails in the end if a scene did, which leaves exactly the partitions that were not made as failed.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import dagster as dg
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    NULL_EVENT_POINTER,
    extract_data_version_from_entry,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)

from chorus.recipes import scenes as recipes
from chorus.recipes.recipe import NUMBERS
from chorus.stages import part_of
from chorus.store import Artifact
from orchestration.checks import metadata
from orchestration.keys import key
from orchestration.partitions import scenes
from orchestration.workspace import WorkspaceResource

MOST = 50  # scenes a run: few enough that two runs at once share a small backfill, and a killed one is soon made good
TOLD = 10  # scenes whose reason the run's own line gives; all of them are in its table and its log
Event = dg.AssetMaterialization | dg.AssetCheckEvaluation


@dataclass(frozen=True)
class Check:
    """judge: of a scene; blocking: a scene that fails it goes no further."""

    judge: Callable[[WorkspaceResource, str], dg.AssetCheckResult]
    blocking: bool

    @property
    def name(self) -> str:
        return self.judge.__name__


@dataclass(frozen=True)
class Stage:
    """name: of chorus.stages; show: what the asset tells of a scene's artifact, by name; parents: stages it is made
    from."""

    name: str
    show: Callable[[WorkspaceResource, str, Artifact], Mapping[str, object]]
    parents: Sequence[dg.AssetKey]
    checks: list[Check] = field(default_factory=list)

    def recipe(self, workspace, scene: str):
        """Its recipe of a scene."""
        return getattr(recipes, part_of(self.name))(workspace, scene)


def work(
    context: dg.AssetExecutionContext, workspace: WorkspaceResource, stage: Stage, stages: Sequence[Stage]
) -> Iterator[Event]:
    """What the step of ``stage`` does in a run of many scenes. stages: all that are made scene by scene, in order.

    Raises Failure once all scenes were tried and some of them failed.
    """
    selected = context.job_def.asset_layer.selected_asset_keys
    chosen = [one for one in stages if key(one.name) in selected]
    if stage is not chosen[0]:
        return
    workspace.begin(context)
    failed: dict[str, str] = {}
    for scene in context.partition_keys:
        for one in chosen:
            reason = yield from _made(context, workspace, one, scene)
            if reason:
                failed[scene] = f"{one.name}: {reason}"
                context.log.error(f"{scene}: {failed[scene]}")
                break
    if failed:
        raise _failure(failed, len(context.partition_keys))


def judged(stage: str, check: Check, result: dg.AssetCheckResult, scene: str) -> dg.AssetCheckEvaluation:
    """What a check found, for one scene's partition alone."""
    return dg.AssetCheckEvaluation(
        asset_key=key(stage),
        check_name=check.name,
        passed=result.passed,
        severity=result.severity,
        description=result.description,
        metadata=result.metadata,
        partition=scene,
        blocking=False,  # for the whole run, that is: the scene itself goes no further
    )


def _made(context: dg.AssetExecutionContext, workspace: WorkspaceResource, stage: Stage, scene: str) -> Iterator[Event]:
    """Make a stage of a scene, record it and its checks; returns why it may not go on, empty where it may."""
    try:
        artifact = workspace.make_scene(context, stage.name, stage.recipe, scene)
        shown = metadata.result(artifact, **stage.show(workspace, scene, artifact))
        yield _materialization(context.instance, stage, scene, shown)
        stops = ""
        for check in stage.checks:
            result = check.judge(workspace, scene)
            yield judged(stage.name, check, result, scene)
            if check.blocking and not result.passed and result.severity is dg.AssetCheckSeverity.ERROR:
                stops = stops or f"check {check.name} failed: {result.description}"
        return stops
    except dg.Failure as failure:
        return failure.description or "it failed"
    except Exception as error:  # a defect of one scene is not the others'
        context.log.error(f"{scene}: {stage.name}", exc_info=True)
        return " ".join(f"{type(error).__name__}: {error}".split())


def _materialization(
    instance: dg.DagsterInstance, stage: Stage, scene: str, shown: dg.MaterializeResult
) -> dg.AssetMaterialization:
    """As Dagster records the asset of a run of one partition: with its content's hash, its recipe's number and the
    hashes of what it was made from, by which it is known to be stale or not."""
    tags = {
        CODE_VERSION_TAG: str(NUMBERS[stage.name]),
        DATA_VERSION_TAG: shown.data_version.value,
        DATA_VERSION_IS_USER_PROVIDED_TAG: "true",
    }
    for parent in stage.parents:
        version, pointer = _version_of(instance, parent, scene)
        tags |= {get_input_data_version_tag(parent): version, get_input_event_pointer_tag(parent): pointer}
    return dg.AssetMaterialization(key(stage.name), partition=scene, metadata=shown.metadata, tags=tags)


def _version_of(instance: dg.DagsterInstance, parent: dg.AssetKey, scene: str) -> tuple[str, str]:
    """The data version of what a scene is made from, as Dagster writes it down, and the event that told it."""
    of_scenes = parent.path[0] == scenes.name
    wanted = dg.AssetRecordsFilter(asset_key=parent, asset_partitions=[scene] if of_scenes else None)
    found = instance.fetch_materializations(wanted, limit=1).records
    version = extract_data_version_from_entry(found[0].event_log_entry) if found else None
    if version is None:
        return "INITIAL", NULL_EVENT_POINTER
    value = hashlib.sha256(version.value.encode()).hexdigest() if of_scenes else version.value
    return value, str(found[0].storage_id)


def _failure(failed: Mapping[str, str], count: int) -> dg.Failure:
    lines = [f"{scene}: {reason}" for scene, reason in failed.items()]
    more = f"; and {len(lines) - TOLD} more" if len(lines) > TOLD else ""
    rows = [{"scene": scene, "reason": reason} for scene, reason in failed.items()]
    return dg.Failure(
        description=f"{len(failed)} of {count} scenes failed: {'; '.join(lines[:TOLD])}{more}",
        metadata={"failed": metadata.table(rows)},
        allow_retries=False,
    )
