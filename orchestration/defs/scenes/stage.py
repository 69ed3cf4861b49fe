"""How a stage that is made scene by scene is declared: once, for runs of one scene and for batches."""

from collections.abc import Callable, Iterator, Sequence

import dagster as dg

from orchestration.checks import metadata
from orchestration.defs.scenes import batch
from orchestration.keys import about, key
from orchestration.partitions import scenes
from orchestration.workspace import WorkspaceResource

_STAGES: dict[str, batch.Stage] = {}  # in the order of their declaration, which is that of the chain


def scene_asset(name: str, *kinds: str, pool: str, made_from: Sequence[str] = ()) -> Callable:
    """Make an asset of a function that tells what is shown of a scene's artifact, by name; its docstring describes it.

    name: of the stage; made_from: names of the stages it depends on; kinds, pool: as ``keys.about`` takes them.
    """

    def decorate(show: Callable) -> dg.AssetsDefinition:
        stage = _STAGES[name] = batch.Stage(name, show, [key(parent) for parent in made_from])

        @dg.asset(
            **about(name, *kinds, pool=pool),
            description=show.__doc__,
            deps=stage.parents,
            partitions_def=scenes,
            backfill_policy=dg.BackfillPolicy.multi_run(batch.MOST),
            output_required=False,
        )
        def asset(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> Iterator:
            if not context.has_partition_key:
                yield from batch.work(context, workspace, stage, list(_STAGES.values()))
                return
            artifact = workspace.make(context, stage.recipe)
            yield metadata.result(artifact, **show(workspace, context.partition_key, artifact))

        return asset

    return decorate


def scene_check(asset: dg.AssetsDefinition, *, blocking: bool = False) -> Callable:
    """Make a check of a function that judges a scene's artifact; its name and docstring are the check's."""
    stage = _STAGES[asset.key.to_user_string()]

    def decorate(judge: Callable) -> dg.AssetChecksDefinition:
        check = batch.Check(judge, blocking)
        stage.checks.append(check)

        @dg.asset_check(
            asset=asset, name=check.name, description=judge.__doc__, blocking=blocking, partitions_def=scenes
        )
        def asset_check(context: dg.AssetCheckExecutionContext, workspace: WorkspaceResource):
            if context.has_partition_key:
                yield judge(workspace, context.partition_key)
                return
            for scene in context.partition_keys:
                yield batch.judged(stage.name, check, judge(workspace, scene), scene)
            yield dg.Output(None, output_name=context.op_execution_context.op_def.output_defs[0].name)

        return asset_check

    return decorate
