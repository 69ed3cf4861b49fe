"""Where the homes and the furniture come from: two Debian packages, unpacked without root."""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from chorus.errors import MissingError

PACKAGES = ("sweethome3d", "sweethome3d-furniture")
_SHARE = Path("share/sweethome3d")
_BY_HAND = "Unpack both Debian packages with `dpkg-deb -x` into a folder and pass it with --homes DIR."


@dataclass(frozen=True, kw_only=True)
class HomesFolder:
    """The unpacked packages: the program's jar (homes, default models) and the furniture libraries."""

    jar: Path
    libraries: dict[str, Path]  # library name -> .sh3f
    cache: Path  # parsed models


def find_homes(homes_dir: Path) -> HomesFolder:
    """Locate jar and libraries below ``homes_dir``. Raises MissingError saying how to get them."""
    homes_dir = Path(homes_dir)
    for base in (homes_dir / "packages/usr", homes_dir / "packages", homes_dir / "usr", homes_dir):
        jar = base / _SHARE / "sweethome3d.jar"
        if jar.is_file():
            libraries = {p.stem: p for p in sorted((base / _SHARE / "furniture").glob("*.sh3f"))}
            return HomesFolder(jar=jar, libraries=libraries, cache=homes_dir / "cache")
    raise MissingError(
        homes_dir,
        expected=f"the unpacked packages {' and '.join(PACKAGES)}",
        got="no sweethome3d.jar",
        fix=f"Fetch them on Debian or Ubuntu with `chorus fetch`. {_BY_HAND}",
    )


def fetch_homes(homes_dir: Path) -> HomesFolder:
    """Download, verify and unpack the packages into ``homes_dir``; at once when they are already there.

    Needs apt (no root): each archive must match the SHA-256 of apt's index. The folder appears whole or not at all.
    Raises MissingError where apt is absent, a download fails or a checksum differs.
    """
    homes_dir = Path(homes_dir)
    try:
        return find_homes(homes_dir)
    except MissingError:
        pass
    for tool in ("apt-get", "apt-cache", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise MissingError("fetch homes", expected=f"`{tool}` (Debian, Ubuntu)", got="not installed", fix=_BY_HAND)
    homes_dir.mkdir(parents=True, exist_ok=True)
    with open(homes_dir / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two workers may ask at once; the second finds what the first fetched
        for left in homes_dir.glob(".fetch-*"):  # by a process that was killed: we are alone here
            shutil.rmtree(left, ignore_errors=True)
        if not (homes_dir / "packages").is_dir():
            _fetch_into(homes_dir)
    return find_homes(homes_dir)


def link_homes(homes_dir: Path, given: Path) -> HomesFolder:
    """Use packages unpacked elsewhere (``--homes DIR``): ``homes_dir`` points to them. Raises MissingError when they
    are not in ``given``."""
    homes_dir, found = Path(homes_dir), find_homes(given)
    root = found.jar.parents[3]  # holds usr/share/sweethome3d, or share/sweethome3d
    homes_dir.mkdir(parents=True, exist_ok=True)
    link = homes_dir / "packages"
    if link.is_symlink():
        link.unlink()
    if not link.exists():
        link.symlink_to(
            (root if found.jar.parents[2].name == "usr" else found.jar.parents[2]).resolve(), target_is_directory=True
        )
    return find_homes(homes_dir)


def _fetch_into(homes_dir: Path) -> None:
    with tempfile.TemporaryDirectory(dir=homes_dir, prefix=".fetch-") as scratch:
        unpacked = Path(scratch) / "packages"
        for package in PACKAGES:
            archive = _download(package, Path(scratch))
            _run(["dpkg-deb", "-x", str(archive), str(unpacked)], cwd=Path(scratch))
            archive.unlink()
        unpacked.rename(homes_dir / "packages")


def _download(package: str, folder: Path) -> Path:
    """Path of the verified .deb."""
    try:
        _run(["apt-get", "download", package], cwd=folder)
    except MissingError as error:
        raise MissingError(
            f"fetch {package}",
            expected="`apt-get download` to succeed",
            got=error.got,
            fix=f"Run `apt-get update` once, or: {_BY_HAND}",
        ) from error
    archive = next(folder.glob(f"{package}_*.deb"))
    expected = checksums(_run(["apt-cache", "show", package], cwd=folder))
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found not in expected:
        raise MissingError(
            archive.name,
            expected=f"SHA-256 {' or '.join(sorted(expected)) or 'in the apt index'}",
            got=found,
            fix="Download it again.",
        )
    return archive


def checksums(apt_show: str) -> set[str]:
    """The SHA-256 sums in the output of ``apt-cache show`` (one per known version)."""
    return set(re.findall(r"^SHA256: ([0-9a-f]{64})$", apt_show, re.MULTILINE))


def _run(command: list[str], *, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MissingError(
            " ".join(command[:2]),
            expected="success",
            got=(done.stderr.strip().splitlines() or ["an error"])[-1],
            fix=_BY_HAND,
        )
    return done.stdout
