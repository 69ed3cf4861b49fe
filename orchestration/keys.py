"""Asset keys from the stages' names, and what every asset of a stage has in common."""

import dagster as dg

from chorus.recipes.recipe import NUMBERS


def key(stage: str) -> dg.AssetKey:
    """``scenes/capture`` -> its two-level key."""
    return dg.AssetKey(stage.split("/"))


def about(stage: str, *kinds: str, pool: str) -> dict:
    """Arguments of ``dg.asset``: key, group, kinds, the recipe's number as code version, and the pool it is queued in
    (``cpu`` or ``gpu``)."""
    noun = stage.split("/")[0]
    return {
        "key": key(stage),
        "group_name": noun,
        "kinds": set(kinds),
        "code_version": str(NUMBERS[stage]),
        "pool": pool,
    }
