"""What must hold of the teachers before anything is learnt from them."""

import dagster as dg

from chorus.stages import EMBEDDED
from chorus.store import hash_files, manifest_of
from orchestration.checks.expectations import between, check, includes
from orchestration.defs.teachers.assets import embedded
from orchestration.workspace import WorkspaceResource


@dg.asset_check(asset=embedded, blocking=True)
def heads(workspace: WorkspaceResource) -> dg.AssetCheckResult:
    """Both heads are there with the bytes the manifest names."""
    folder = workspace.artifact(EMBEDDED).path
    found, listed = hash_files(folder), manifest_of(folder)["files"]
    table = [
        {"file": name, "same": float(found.get(name) == digest), "bytes": (folder / name).stat().st_size}
        for name, digest in listed.items()
    ]
    there = includes("file", ["lang.safetensors", "object.safetensors", "provenance.json"])
    return check(table, [there, between("same", 1, 1), between("bytes", 1, 12_000_000)])
