"""How many runs of a pool (``cpu``, ``gpu``) go on at once: Dagster keeps that in its database, deploy/pools.yaml says
it."""

import dagster as dg

from chorus.yaml_files import parse_yaml
from orchestration.run.state import CONFIGURATIONS, deployed


def limits(configuration: str) -> dict[str, int]:
    """Pool -> runs at once, by the name of the instance configuration; none for one of the user's own."""
    return parse_yaml((CONFIGURATIONS / "pools.yaml").read_text()).get(configuration, {})


def set_limits(instance: dg.DagsterInstance) -> None:
    """Tell Dagster the limits of the configuration that is deployed."""
    for pool, limit in limits(deployed()).items():
        instance.event_log_storage.set_concurrency_slots(pool, limit)
