"""The report on the held-out homes."""

import dagster as dg

from chorus.json_files import read_json
from chorus.recipes import reports
from chorus.stages import ADAPTED, ENCODER, EVALUATION, TARGETS
from orchestration.checks import metadata
from orchestration.keys import WHEN_STALE, about, key
from orchestration.workspace import WorkspaceResource


@dg.asset(
    **about(EVALUATION, "python", pool="cpu", when=WHEN_STALE),
    deps=[key(stage) for stage in (ENCODER, ADAPTED, TARGETS)],
)
def evaluation(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult:
    """Zero-shot, probe, adaptation and storage figures on homes nothing was trained on, as one HTML page and one JSON
    file."""
    artifact = workspace.make(context, reports.evaluation)
    zero_shot = read_json(artifact.path / "metrics.json")["zero_shot"]
    rows = [
        {"method": name, **{key: row[key] for key in ("f_miou", "f_macc")}}
        for name, row in zero_shot.items()
        if "f_macc" in row
    ]
    return metadata.result(
        artifact,
        chart=metadata.picture(artifact.path / "plots" / "per_class.png"),
        zero_shot=metadata.table(rows),
        report=dg.MetadataValue.path(metadata.place(artifact.path / "report.html")),
    )
