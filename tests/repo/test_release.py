"""The bill of materials, the licenses and the audit: what ships is in them, and an audit that could not ask says so."""

import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "release"))

import audit  # noqa: E402 - scripts, no package
import licenses  # noqa: E402
import shipped  # noqa: E402

DATA = ("*.safetensors", "*.spz", "*.ply", "*.npz", "*.pth", "*.ttf", "*.woff*")


def test_every_file_of_data_that_ships_is_named_with_its_hash():
    found = {str(path.relative_to(ROOT)) for kind in DATA for path in (ROOT / "chorus").rglob(kind)}
    assert found == {name for part in shipped.parts() for name in part.files}
    assert all(re.fullmatch("[0-9a-f]{64}", shipped.sha256(name)) for name in found)


def test_what_is_bundled_has_its_version_and_license():
    wanted = json.loads((ROOT / "chorus/view/web/package.json").read_text())["dependencies"]
    bundled = {part.name: part for part in shipped.bundled()}
    assert {name: part.version for name, part in bundled.items()} == wanted
    assert {part.license for part in bundled.values()} == {"MIT"}
    assert bundled["@sparkjsdev/spark"].purl == f"pkg:npm/%40sparkjsdev/spark@{wanted['@sparkjsdev/spark']}"


def test_the_page_of_licenses_names_every_requirement_and_guesses_none():
    page = (ROOT / "docs/licenses.md").read_text()
    rows = dict(re.findall(r"^\| ([a-z0-9._-]+) \| ([^|]+) \|$", page, re.M))
    wanted = [Requirement(line) for line in importlib.metadata.requires("chorus-gs") or []]
    asked = {canonicalize_name(one.name) for one in wanted if "python_version" not in str(one.marker)}
    assert asked - {"chorus-gs"} <= set(rows), asked - set(rows)
    assert not {name for name, said in rows.items() if said in ("not said", "UNKNOWN")}
    here = {name: licenses.license_of(name) for name in ("numpy", "torch", "huey")}
    assert all(rows[name] == said for name, said in here.items())


def test_a_package_without_an_extra_needs_none_whose_license_binds_others():
    """The library itself stays free of copyleft; dvc's helpers (extra workflow) are programs of their own."""
    bound = {name: licenses.license_of(name) for name in licenses.needed("") if "GPL" in licenses.license_of(name)}
    assert not bound


def answer(monkeypatch, stdout: str, stderr: str = "", code: int = 0) -> int:
    done = SimpleNamespace(stdout=stdout, stderr=stderr, returncode=code)
    monkeypatch.setattr(audit.subprocess, "run", lambda *_, **__: done)
    return audit.main()


def test_an_audit_that_asked_nobody_does_not_pass(monkeypatch, capsys):
    trace = "Traceback (most recent call last):\n  File x\nrequests.exceptions.ConnectionError: no route"
    assert answer(monkeypatch, "", trace, 1) == 2
    assert "got ConnectionError (no route). Nothing was audited." in capsys.readouterr().out
    skipped = {"name": "numpy", "skip_reason": "not found"}
    assert answer(monkeypatch, json.dumps({"dependencies": [skipped]})) == 2
    assert "Nothing was audited" in capsys.readouterr().out


def test_weaknesses_are_listed(monkeypatch, capsys):
    bad = {"name": "a", "version": "1", "vulns": [{"id": "GHSA-1", "fix_versions": ["2"]}]}
    good = {"name": "b", "version": "1", "vulns": []}
    assert (
        answer(monkeypatch, json.dumps({"dependencies": [bad, good, {"name": "c", "skip_reason": "x"}]}), code=1) == 1
    )
    told = capsys.readouterr().out
    assert "a 1: GHSA-1, mended in 2" in told and "2 packages audited, 1 unknown to the advisories, 1 weak" in told
    assert answer(monkeypatch, json.dumps({"dependencies": [good]})) == 0


@pytest.mark.slow
def test_the_bill_of_materials(tmp_path):
    command = [sys.executable, str(ROOT / "release/sbom.py"), str(tmp_path / "one.json")]
    subprocess.run(command, check=True, cwd=tmp_path)  # it is valid, or this fails
    bill = json.loads((tmp_path / "one.json").read_text())
    found = {part["name"]: part for part in bill["components"]}
    assert {"torch", "numpy", "dagster", "three", "chorus-encoder"} <= set(found)
    assert found["three"]["purl"].startswith("pkg:npm/three@")
    model = found["chorus-encoder"]["components"][0]
    assert model["hashes"][0]["content"] == shipped.sha256(model["name"])
    assert bill["metadata"]["component"]["name"] == "chorus-gs"
    assert sum("licenses" in part for part in bill["components"]) > 0.9 * len(bill["components"])
