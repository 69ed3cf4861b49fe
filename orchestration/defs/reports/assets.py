"""The report on the held-out homes."""

import dagster as dg

from orchestration import metadata, tables
from orchestration.resources import Workspace

UPSTREAM = (["models", "encoder"], ["models", "adapted_encoder"], ["scenes", "targets"])


@dg.asset(
    key=["reports", "evaluation"], group_name="reports", kinds={"python"}, deps=[dg.AssetKey(key) for key in UPSTREAM]
)
def evaluation(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Zero-shot, probe, adaptation and storage figures on homes nothing was trained on, as one HTML page and one JSON
    file."""
    artifact = workspace.make(context)
    report = tables.read_json(artifact.path / "metrics.json")
    table = [
        {"method": name, **{key: row[key] for key in ("f_miou", "f_macc")}}
        for name, row in report["zero_shot"].items()
        if "f_macc" in row
    ]
    pictures = sorted((artifact.path / "plots").glob("*.png"))
    return metadata.result(
        artifact,
        zero_shot=metadata.table(table),
        report=dg.MetadataValue.path(str(artifact.path / "report.html")),
        chart=metadata.picture(artifact.path / "plots" / "per_class.png") if pictures else None,
    )
