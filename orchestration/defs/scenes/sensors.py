"""A folder dropped under data/incoming becomes a scene and runs the whole per-scene chain."""

import hashlib

import dagster as dg

from orchestration.defs.scenes.assets import capture, gaussians, targets, teacher_views
from orchestration.partitions import scenes
from orchestration.workspace import WorkspaceResource, red_asset

scene_chain = dg.define_asset_job("scene_chain", [capture, gaussians, teacher_views, targets], partitions_def=scenes)


@dg.sensor(job=scene_chain, minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def incoming_scenes(context: dg.SensorEvaluationContext, workspace: WorkspaceResource) -> dg.SensorResult:
    """One run for every folder, and another when its files change. Scenes that data/scenes.yaml lists become partitions
    too, for whoever wants to make them."""
    with red_asset():
        opened = workspace.open()
        names = {name: dropped for name, dropped in opened.incoming().items() if name not in opened.listed()}
        for line in opened.left_out():
            context.log.warning(line)
    known = set(context.instance.get_dynamic_partitions(scenes.name))
    new = [name for name in opened.scenes() if name not in known]
    runs = [
        dg.RunRequest(run_key=f"{name}-{_state(dropped.path)}", partition_key=name) for name, dropped in names.items()
    ]
    return dg.SensorResult(
        run_requests=runs, dynamic_partitions_requests=[scenes.build_add_request(new)] if new else []
    )


def _state(folder) -> str:
    """Changes when a file is added, removed, resized or touched; reads no file. folder: or a video."""
    files = folder.rglob("*") if folder.is_dir() else [folder]
    found = sorted((str(p.relative_to(folder)), p.stat().st_size, p.stat().st_mtime_ns) for p in files if p.is_file())
    return hashlib.sha256(repr(found).encode()).hexdigest()[:12]
