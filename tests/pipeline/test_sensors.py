"""Folders dropped under data/incoming: partitions and runs, once each, and a clear refusal of what cannot be a
scene."""

import dagster as dg

from orchestration.defs.scenes.sensors import incoming_scenes
from orchestration.partitions import scenes
from orchestration.run import history
from orchestration.workspace import WorkspaceResource


def tick(workspace):
    with dg.build_sensor_context(
        instance=history.instance(), resources={"workspace": WorkspaceResource(root=str(workspace))}
    ) as context:
        return incoming_scenes(context)


def test_no_folder_no_run_but_listed_scenes_are_partitions(workspace):
    result = tick(workspace)
    assert result.run_requests == []
    history.instance().add_dynamic_partitions(scenes.name, ["room-a", "room-b"])
    assert tick(workspace).dynamic_partitions_requests == [scenes.build_add_request(["room-c"])]


def test_a_folder_becomes_a_partition_and_a_run(workspace):
    folder = workspace / "data" / "incoming" / "kitchen"
    folder.mkdir(parents=True)
    (folder / "transforms.json").write_text("{}")
    result = tick(workspace)
    listed = ["room-a", "room-b", "room-c"]
    assert result.dynamic_partitions_requests == [scenes.build_add_request([*listed, "kitchen"])]
    first = result.run_requests[0]
    assert first.partition_key == "kitchen"
    assert tick(workspace).run_requests[0].run_key == first.run_key  # Dagster runs a key once
    (folder / "more.png").write_bytes(b"x")
    assert tick(workspace).run_requests[0].run_key != first.run_key


def test_a_name_that_is_no_scene_id_stops_nobody_else(workspace):
    for name in ("kitchen", "Living Room (2)", "Küche", "!!!", "50%20", "what?"):
        (workspace / "data" / "incoming" / name).mkdir(parents=True)
        (workspace / "data" / "incoming" / name / "transforms.json").write_text("{}")
    keys = {request.partition_key for request in tick(workspace).run_requests}
    assert keys == {"kitchen", "living-room-2", "kuche", "50-20", "what"}
    left = WorkspaceResource(root=str(workspace)).open().left_out()
    assert len(left) == 1 and "!!!" in left[0] and "Rename it" in left[0]
