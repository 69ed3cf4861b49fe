"""What the environment holds in confidence (keys, tokens, passwords) is in no file the chain leaves behind: artifacts,
manifests, reports, logs, histories and databases of the workflow tools."""

from pathlib import Path

import pytest

from tests.promises.conftest import SECRETS

pytestmark = pytest.mark.slow


def files_with(words: list[str], root: Path) -> dict[str, list[str]]:
    """Word -> files below that hold it, as text in any place."""
    found: dict[str, list[str]] = {word: [] for word in words}
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        content = path.read_bytes()
        for word in words:
            if word.encode() in content:
                found[word].append(str(path.relative_to(root)))
    return found


def test_no_file_holds_a_secret(finished):
    assert all(finished.environment[name] == value for name, value in SECRETS.items())
    known = files_with(["train-a", "chorus.hash"], finished.root)  # what is there is found, in databases too
    assert any(name.endswith("mlflow.db") for name in known["chorus.hash"])
    assert any("dagster" in name and name.endswith(".db") for name in known["train-a"])
    found = files_with([value.rpartition("=")[2] for value in SECRETS.values()], finished.root)
    assert len(found) == len(SECRETS) and not any(found.values()), found
