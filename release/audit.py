"""Known weaknesses of the installed packages, by the advisories of OSV.

python release/audit.py                       make audit: pip-audit asks OSV
python release/audit.py --offline all.zip     make audit OFFLINE=all.zip: a list brought along, OSV's own export
                                              https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip

0: none known, 1: some, listed; 2: nothing was audited.
"""

import argparse
import importlib.metadata
import json
import subprocess
import sys
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

PATIENCE = 15  # seconds for an answer
EXPORT = "https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip"


class NotAudited(Exception):
    """What came in place of advisories."""


def main(argv: list[str] | None = None) -> int:
    """Lists what is known and counts it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--offline", type=Path, metavar="FILE", help=f"a copy of {EXPORT}")
    offline = parser.parse_args(argv).offline
    try:
        packages = listed(offline) if offline else asked()
    except NotAudited as problem:
        print(f"chorus: audit: {problem}. Nothing was audited.")
        return 2
    known = [package for package in packages if "vulns" in package]
    if not known:
        print("chorus: audit: expected an answer of the advisories, got none for any package. Nothing was audited.")
        return 2
    found = [(package, one) for package in known for one in package["vulns"]]
    for package, one in found:
        fixed = ", ".join(one["fix_versions"]) or "no version yet"
        print(f"{package['name']} {package['version']}: {one['id']}, mended in {fixed}")
    unknown = len(packages) - len(known)
    print(f"{len(known)} packages audited, {unknown} unknown to the advisories, {len(found)} weaknesses")
    return 1 if found else 0


def asked() -> list[dict]:
    """Each package as pip-audit tells of it. Asked of OSV: PyPI's own service says nothing of a package where a mirror
    stands in for it, which reads as if nothing were known."""
    command = [sys.executable, "-m", "pip_audit", "--local", "--vulnerability-service", "osv", "--format", "json"]
    quiet = ["--progress-spinner", "off", "--timeout", str(PATIENCE)]
    done = subprocess.run([*command, *quiet], capture_output=True, text=True, check=False)
    try:
        return json.loads(done.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError) as error:
        raise NotAudited(f"expected an answer of the advisories, got {reason(done.stderr)}") from error


def listed(export: Path) -> list[dict]:
    """The same by an export of OSV, a zip with one advisory a JSON file. Raises NotAudited where it is none."""
    here = {canonicalize_name(one.metadata["Name"]): one.version for one in importlib.metadata.distributions()}
    weak: dict[str, dict[str, dict]] = defaultdict(dict)
    count = 0
    for advisory in advisories(export):
        count += 1
        for affected in advisory.get("affected", []):
            name = canonicalize_name(affected.get("package", {}).get("name", ""))
            if name in here and affects(affected, here[name]):
                weak[name][advisory["id"]] = {"id": advisory["id"], "fix_versions": fixes(affected)}
    if not count:
        raise NotAudited(f"{export}: expected advisories of PyPI's packages, got none")
    return [
        {"name": name, "version": version, "vulns": list(weak[name].values())} for name, version in sorted(here.items())
    ]


def advisories(export: Path) -> Iterator[dict]:
    """Those that were not withdrawn."""
    try:
        with zipfile.ZipFile(export) as archive:
            for name in archive.namelist():
                if name.endswith(".json"):
                    advisory = json.loads(archive.read(name))
                    if isinstance(advisory, dict) and "id" in advisory and "withdrawn" not in advisory:
                        yield advisory
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise NotAudited(f"{export}: expected OSV's export, {EXPORT}, got {error}") from error


def affects(affected: Mapping, version: str) -> bool:
    """Whether a version is among those an advisory names, or in one of its ranges, as OSV's schema evaluates them."""
    if affected.get("package", {}).get("ecosystem") != "PyPI":
        return False
    if version in affected.get("versions", []):
        return True
    return any(
        within(one.get("events", []), version) for one in affected.get("ranges", []) if one.get("type") == "ECOSYSTEM"
    )


def within(events: list[Mapping[str, str]], version: str) -> bool:
    """Whether the last event at or before the version opened the range."""
    here, inside = Version(version), False
    for kind, said in sorted((item for event in events for item in event.items()), key=lambda item: order(item[1])):
        bound = order(said)
        if kind == "introduced" and here >= bound:
            inside = True
        elif (kind == "fixed" and here >= bound) or (kind == "last_affected" and here > bound):
            inside = False
    return inside


def order(said: str) -> Version:
    """OSV's "0" is before everything; what is no version of PyPI's comes first too."""
    try:
        return Version("0.dev0") if said == "0" else Version(said)
    except InvalidVersion:
        return Version("0.dev0")


def fixes(affected: Mapping) -> list[str]:
    """The versions in which it is mended."""
    return [
        event["fixed"]
        for one in affected.get("ranges", [])
        if one.get("type") == "ECOSYSTEM"
        for event in one.get("events", [])
        if "fixed" in event
    ]


def reason(stderr: str) -> str:
    """The last word of a stack trace, short."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    kind, _, rest = (lines[-1] if lines else "no word").partition(": ")
    return f"{kind.rpartition('.')[2]} ({rest[:90]})" if rest else kind


if __name__ == "__main__":
    sys.exit(main())
