"""Asset keys from the stages' names, and what every asset of a stage has in common."""

import dagster as dg

from chorus.recipes.recipe import NUMBERS

# Once its inputs or its recipe's number changed and none of them is on its way. A room that was never finished holds
# nothing back: the checks name it. Nobody asks before the sensor `retraining` is switched on.
WHEN_STALE = dg.AutomationCondition.eager().without(~dg.AutomationCondition.any_deps_missing()) | (
    dg.AutomationCondition.code_version_changed().since_last_handled()
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.in_progress()
)


def key(stage: str) -> dg.AssetKey:
    """``scenes/capture`` -> its two-level key."""
    return dg.AssetKey(stage.split("/"))


def about(stage: str, *kinds: str, pool: str, when: dg.AutomationCondition | None = None) -> dict:
    """Arguments of ``dg.asset``: key, group, kinds, the recipe's number as code version, and the pool it is queued in
    (``cpu`` or ``gpu``), and when it is made by itself."""
    noun = stage.split("/")[0]
    return {
        "key": key(stage),
        "group_name": noun,
        "kinds": set(kinds),
        "code_version": str(NUMBERS[stage]),
        "pool": pool,
        "automation_condition": when,
    }
