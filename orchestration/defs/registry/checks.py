"""What must hold of a registered version."""

import dagster as dg

from orchestration.defs.registry.assets import chorus_encoder
from orchestration.tracking.registration import try_challenger
from orchestration.workspace import WorkspaceResource, red_asset


@dg.asset_check(asset=chorus_encoder)
def loads_and_answers(workspace: WorkspaceResource) -> dg.AssetCheckResult:
    """The challenger loads from the registry and encodes a small cloud of Gaussians into finite features."""
    with red_asset():
        shape, finite = try_challenger(workspace.store)
    return dg.AssetCheckResult(
        passed=finite, description=f"features of shape {list(shape)}, {'all finite' if finite else 'not all finite'}"
    )
