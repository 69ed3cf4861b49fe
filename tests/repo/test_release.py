"""The bill of materials, the licenses and the audit: what ships is in them, and an audit that could not ask says so."""

import importlib.metadata
import json
import re
import subprocess
import sys
import zipfile
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
    return audit.main([])


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


def export(folder: Path, *advisories: dict) -> str:
    """A file as OSV exports it."""
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        for number, advisory in enumerate(advisories):
            archive.writestr(f"{number}.json", json.dumps(advisory))
    return str(folder / "all.zip")


def advisory(name: str, events: list[dict], **more) -> dict:
    ranges = [{"type": "ECOSYSTEM", "events": events}]
    return {"id": "GHSA-x", "affected": [{"package": {"ecosystem": "PyPI", "name": name}, "ranges": ranges}], **more}


@pytest.mark.parametrize(
    ("events", "weak"),
    [
        ([{"introduced": "0"}], True),
        ([{"introduced": "0"}, {"fixed": "1000"}], True),
        ([{"introduced": "0"}, {"fixed": "0.1"}], False),
        ([{"introduced": "1000"}], False),
        ([{"introduced": "0"}, {"last_affected": importlib.metadata.version("numpy")}], True),
        ([{"introduced": "0"}, {"last_affected": "0.1"}], False),
        ([{"introduced": "0"}, {"fixed": importlib.metadata.version("numpy")}], False),
        ([{"introduced": "0"}, {"fixed": "0.1"}, {"introduced": "0.2"}, {"fixed": "1000"}], True),
        ([{"fixed": "1000"}, {"introduced": "0.2"}], True),
    ],
)
def test_an_offline_list_is_read_as_osv_means_it(tmp_path, capsys, events, weak):
    assert audit.main(["--offline", export(tmp_path, advisory("NumPy", events))]) == int(weak)
    told = capsys.readouterr().out
    assert ("numpy " in told and "GHSA-x" in told) == weak and "weaknesses" in told


def test_of_an_offline_list_other_ecosystems_and_withdrawn_advisories_do_not_count(tmp_path, capsys):
    named = {"package": {"ecosystem": "PyPI", "name": "numpy"}, "versions": [importlib.metadata.version("numpy")]}
    assert audit.main(["--offline", export(tmp_path, {"id": "PYSEC-1", "affected": [named]})]) == 1
    other = {"id": "x", "affected": [{**named, "package": {"ecosystem": "npm", "name": "numpy"}}]}
    gone = advisory("numpy", [{"introduced": "0"}], withdrawn="2024-01-01T00:00:00Z")
    assert audit.main(["--offline", export(tmp_path, other, gone)]) == 0
    capsys.readouterr()


@pytest.mark.parametrize("content", [b"", b"no zip", None])
def test_a_list_that_is_none_does_not_pass(tmp_path, capsys, content):
    path = tmp_path / "all.zip"
    if content is None:
        export(tmp_path)
    elif content:
        path.write_bytes(content)
    assert audit.main(["--offline", str(path)]) == 2
    told = capsys.readouterr().out
    assert "Nothing was audited." in told and str(path) in told and told.count("\n") == 1


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
