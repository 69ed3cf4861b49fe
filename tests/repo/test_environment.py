"""Facts about the environment that break silently when a bound is loosened."""

import subprocess
import sys


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_dagster_still_parses_selections_beside_dvc():
    assert "key" in run("from dagster import AssetSelection; print(AssetSelection.from_string('key:a'))")


def test_the_library_imports_no_workflow_tool():
    code = (
        "import sys, chorus.capture, chorus.store, chorus.params; print(sorted(set(sys.modules) & "
        "{'dagster', 'mlflow', 'dvc', 'great_expectations'}))"
    )
    assert run(code) == "[]"


def test_the_mlflow_folder_does_not_shadow_the_package():
    assert "site-packages" in run("import importlib.util; print(importlib.util.find_spec('mlflow').origin)")
