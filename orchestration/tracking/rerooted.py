"""MLflow keeps where its files lie as absolute addresses. A workspace that was moved or copied has them put right here,
before MLflow opens its database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

# Of MLflow's database: what holds addresses below the folder that a workspace keeps its files in.
HELD = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
    ("model_versions", "source"),
)


def reroot(folder: Path, experiment: str) -> bool:
    """Let the addresses in ``folder/mlflow.db`` that lie below the former place of ``folder/artifacts`` name it where
    it is now; whether there were such. experiment: whose place says where it was."""
    database = folder / "mlflow.db"
    if not database.exists():
        return False
    with closing(sqlite3.connect(database, timeout=60)) as connection, connection:
        now, before = (folder / "artifacts").as_uri(), _place(connection, experiment)
        if before in (now, ""):
            return False
        for table, column in HELD:
            if _has(connection, table, column):
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE {column} = ? "
                    f"OR substr({column}, 1, ?) = ?",
                    (now, len(before) + 1, before, len(before) + 1, before + "/"),
                )
    return True


def _place(connection: sqlite3.Connection, experiment: str) -> str:
    """Where the experiment's files are said to lie; empty where it is not there or they lie in no folder."""
    if not _has(connection, "experiments", "artifact_location"):
        return ""
    found = connection.execute("SELECT artifact_location FROM experiments WHERE name = ?", (experiment,)).fetchone()
    return found[0] if found and (found[0] or "").startswith("file://") else ""


def _has(connection: sqlite3.Connection, table: str, column: str) -> bool:
    return any(row[1] == column for row in connection.execute(f"PRAGMA table_info({table})"))
