"""Retraining by itself: off until switched on; then a new room's targets make the encoder stale, once."""

import dagster as dg
import pytest

from chorus.stages import ENCODER, TARGETS
from orchestration.defs.models.sensors import retraining
from orchestration.keys import key
from orchestration.run.history import repository


@pytest.fixture
def instance():
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("scenes", ["room-a"])
        yield instance


def targets_of(instance, room: str) -> None:
    """Dagster is told that a room's targets were made."""
    instance.report_runless_asset_event(dg.AssetMaterialization(key(TARGETS), partition=room))


def asked(instance, cursor=None):
    """The assets that would be made now, and the cursor to go on from."""
    from orchestration.definitions import defs

    result = dg.evaluate_automation_conditions(
        defs=defs, instance=instance, asset_selection=dg.AssetSelection.assets(key(ENCODER)), cursor=cursor
    )
    return result.get_num_requested(key(ENCODER)), result.cursor


def test_it_is_off_and_covers_what_follows_the_targets():
    assert retraining.default_status is dg.DefaultSensorStatus.STOPPED
    graph = repository().asset_graph
    automatic = {key for key in graph.materializable_asset_keys if graph.get(key).automation_condition}
    assert automatic == retraining.asset_selection.resolve(graph)
    assert [sensor.name for sensor in repository().sensor_defs].count("retraining") == 1


def test_a_new_room_makes_the_encoder_stale_once(instance):
    targets_of(instance, "room-a")
    _, cursor = asked(instance)
    quiet, cursor = asked(instance, cursor)
    assert quiet == 0
    instance.add_dynamic_partitions("scenes", ["bad", "room-b"])
    waiting, cursor = asked(instance, cursor)
    assert waiting == 0  # no targets yet
    targets_of(instance, "room-b")
    wanted, cursor = asked(instance, cursor)
    assert wanted == 1  # without the room that never gets any
    again, _ = asked(instance, cursor)
    assert again == 0
