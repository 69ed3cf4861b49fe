"""The two ways weights come here: a repository of the hub, or one file by URL. Both take up a broken download where it
stopped."""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from chorus.errors import MissingError
from chorus.teachers.foundation.catalog import Source

_BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """revision: the commit or address it came from; sha256: what the publisher says of each large file."""

    revision: str
    license: str = ""
    sha256: dict[str, str] = field(default_factory=dict)


def fetch_repository(source: Source, place: Path) -> Fetched:
    """Bring the files of a hub repository into ``place``. Raises MissingError: terms to accept, no such repository, or
    no network."""
    import huggingface_hub
    from huggingface_hub import errors

    try:
        info = huggingface_hub.HfApi().model_info(source.repo, files_metadata=True)
        huggingface_hub.snapshot_download(
            source.repo, revision=info.sha, local_dir=place, allow_patterns=list(source.files)
        )
    except errors.GatedRepoError as error:
        fix = (
            f"Accept the {source.license or 'terms'} at {source.page} with your account, then: hf auth login; "
            f"chorus teachers pull {source.name}"
        )
        raise MissingError(
            f"teacher '{source.name}'", expected="access to a gated model", got="none yet", fix=fix
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise MissingError(
            f"teacher '{source.name}'", expected=f"a repository {source.repo} on the hub", got="none, or a private one"
        ) from error
    except (
        errors.HfHubHTTPError,
        errors.LocalEntryNotFoundError,
        errors.OfflineModeIsEnabled,
        OSError,
        *_client_errors(errors.HfHubHTTPError),
    ) as error:
        raise _unreachable(source, place, error) from error
    digests = {item.rfilename: item.lfs.sha256 for item in info.siblings or [] if item.lfs is not None}
    license = (
        str(getattr(info.card_data, "license_name", "") or getattr(info.card_data, "license", "") or "")
        if info.card_data
        else ""
    )
    return Fetched(revision=info.sha or "", license=source.license or license, sha256=digests)


def _client_errors(hub_error: type[Exception]) -> tuple[type[Exception], ...]:
    """What the hub's HTTP client raises where there is no connection. Which client that is differs between versions;
    the hub's own error is one of its."""
    return tuple(
        kind for kind in hub_error.__mro__ if kind.__module__.split(".")[0] not in ("builtins", "huggingface_hub")
    )


def fetch_file(source: Source, place: Path) -> Fetched:
    """Bring one file into ``place``, beginning where an earlier ``.part`` ends, and compare its MD5 with the one its
    publisher names."""
    target = place / source.url.rsplit("/", 1)[1]
    part = target.with_name(target.name + ".part")
    try:
        _download(source.url, part)
    except (urllib.error.URLError, OSError) as error:
        raise _unreachable(source, target, error) from error
    if source.md5:
        with open(part, "rb") as stream:
            found = hashlib.file_digest(stream, "md5").hexdigest()
        if found != source.md5:
            part.unlink()
            raise MissingError(
                target,
                expected=f"md5 {source.md5}",
                got=found,
                fix=f"The damaged file was deleted. Run: chorus teachers pull {source.name}",
            )
    os.replace(part, target)
    return Fetched(revision=source.url, license=source.license)


def _download(url: str, part: Path) -> None:
    """Append what is missing of ``url`` to ``part``; begin anew where the server does not do ranges."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing missing
            return
        raise
    missing = int(response.headers.get("Content-Length", 0))
    with response, open(part, "ab" if response.status == 206 else "wb") as out:
        while block := response.read(_BLOCK):
            missing -= out.write(block)
    if missing > 0:  # a closed connection ends the stream without a word
        raise OSError(f"the connection broke with {missing} bytes to go")


def _unreachable(source: Source, place: Path, error: Exception) -> MissingError:
    fix = (
        f"Run `chorus teachers pull {source.name}` where there is a network and copy the folder here, or set "
        f"teachers.family: embedded (no download)."
    )
    reason = str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
    return MissingError(place, expected=f"to reach {source.page}", got=reason, fix=fix)
