"""Make the challenger the champion, if its evaluation is not worse.

    python mlflow/promote.py [--tolerance 0.0]
    python mlflow/promote.py --rollback

Both versions must have been evaluated on the same held-out scenes with the same settings; a version's figures are its
tags, written when it was registered. The alias @champion moves, @previous stays with the one before; --rollback lets
the two change places. What was decided is the tag ``promotion`` of the version, and an observation of the asset
registry/chorus_encoder in Dagster. Exit code 2 and one line when it refuses.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project beside this folder, when it is not installed

from chorus.errors import ChorusError, StoreError
from chorus.store import Store, root_folder
from orchestration.run.state import QUIET
from orchestration.tracking import trainings

MODEL = trainings.MODEL
# In percent: the first decides, the second breaks a tie.
FIGURES = ("validation.student.f_miou", "validation.student.f_macc")


def main(argv: list[str] | None = None) -> int:
    """0: promoted, or the challenger is the champion already; 2: refused."""
    parser = argparse.ArgumentParser(
        prog="python mlflow/promote.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=0.0,
        help="percent points of f-mIoU the challenger may lose (default: %(default)s)",
    )
    parser.add_argument("--rollback", action="store_true", help="@champion and @previous change places")
    options = parser.parse_args(argv)
    import os

    os.environ.update(QUIET)
    store = Store(root_folder())
    try:
        print(rollback(store) if options.rollback else promote(store, tolerance=options.tolerance))
    except ChorusError as error:
        print(f"chorus: {error}", file=sys.stderr)
        return 2
    return 0


def promote(store: Store, *, tolerance: float = 0.0) -> str:
    """One line saying what moved. Raises StoreError when nothing may move."""
    client = trainings.client(store)
    challenger, champion = (version(client, alias) for alias in ("challenger", "champion"))
    if challenger is None:
        raise StoreError(
            f"{MODEL}@challenger",
            expected="a registered version",
            got="none",
            fix="Materialize registry/chorus_encoder first.",
        )
    if champion is not None and champion.version == challenger.version:
        return f"{MODEL} version {champion.version} is the champion already"
    try:
        said = (
            compare(challenger.tags, champion.tags, tolerance=tolerance)
            if champion is not None
            else "the first champion"
        )
    except StoreError as error:
        client.set_model_version_tag(MODEL, challenger.version, "promotion", f"refused: {error}")
        raise
    return crown(store, challenger, former=champion, said=said)


def rollback(store: Store) -> str:
    """One line saying what moved: @champion goes back to @previous. Raises StoreError where there is none."""
    client = trainings.client(store)
    champion, previous = (version(client, alias) for alias in ("champion", "previous"))
    if champion is None or previous is None:
        raise StoreError(
            f"{MODEL}@previous",
            expected="a version to go back to",
            got="none: no champion was ever replaced",
            fix="The champion stays.",
        )
    return crown(store, previous, former=champion, said=f"rolled back from version {champion.version}")


def crown(store: Store, new, *, former, said: str) -> str:
    """Move the aliases, and tell MLflow and Dagster so."""
    client = trainings.client(store)
    if former is not None:
        client.set_registered_model_alias(MODEL, "previous", former.version)
    client.set_registered_model_alias(MODEL, "champion", new.version)
    client.set_model_version_tag(MODEL, new.version, "promotion", said)
    line = f"{MODEL} version {new.version} is the champion: {said}"
    tell_dagster(store, int(new.version), line)
    return line


def tell_dagster(store: Store, version: int, line: str) -> None:
    """An observation of the registry's asset, shown on its page."""
    from orchestration.defs.registry.assets import observation
    from orchestration.run import history

    history.instance().report_runless_asset_event(observation(store, version, line))


def version(client, alias: str):
    """The version that bears an alias, None when none does."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(MODEL, alias)
    except MlflowException:
        return None


def compare(challenger: dict, champion: dict, *, tolerance: float) -> str:
    """What speaks for the challenger. Raises StoreError when it is worse or the two cannot be compared."""
    where = f"{MODEL}@challenger"
    if challenger.get("evaluation.scenes") != champion.get("evaluation.scenes"):
        raise StoreError(
            where,
            expected="figures of the champion's validation scenes",
            got="figures of other scenes or settings",
            fix="Evaluate and register the champion's model on today's scenes first.",
        )
    absent = [name for name in FIGURES if name not in challenger or name not in champion]
    if absent:
        raise StoreError(
            where,
            expected=f"{absent[0]} of both versions",
            got="none",
            fix="List validation rooms in data/scenes.yaml, evaluate and register anew.",
        )
    (new, new_tie), (old, old_tie) = ([float(tags[name]) for name in FIGURES] for tags in (challenger, champion))
    if new < old - tolerance or (new == old and new_tie < old_tie):
        name, least, got = (FIGURES[1], old_tie, new_tie) if new == old else (FIGURES[0], old - tolerance, new)
        raise StoreError(where, expected=f"{name} of at least {least:.2f}", got=f"{got:.2f}", fix="The champion stays.")
    return f"{FIGURES[0]} {new:.2f}, was {old:.2f}"


if __name__ == "__main__":
    sys.exit(main())
