"""Choose the family of teachers."""

from __future__ import annotations

from pathlib import Path

import torch

from chorus.errors import ParamsError
from chorus.params import TeacherParams
from chorus.store import Store
from chorus.teachers.base import Role, Teacher

Place = torch.device | str


def load_teachers(
    params: TeacherParams, store_or_folder: Store | Path | None = None, *, device: Place = "cpu"
) -> dict[Role, Teacher]:
    """role -> teacher, of the family the params name, on a device.

    store_or_folder: for the embedded family, the workspace or folder that holds the trained heads; a workspace without
    them, or None, means the heads shipped with this package. Raises ParamsError for an unknown family, MissingError for
    absent weights or packages.
    """
    if params.family not in _FAMILIES:
        raise ParamsError("params: teachers.family", expected=f"one of {', '.join(_FAMILIES)}", got=repr(params.family))
    return _FAMILIES[params.family](params, store_or_folder, device)


def words_source(params: TeacherParams, store: Store) -> str:
    """What a model distilled from these teachers says of the tower that embeds its words; ``chorus.load`` reads it."""
    if params.family != "foundation":
        return params.family
    from chorus.teachers.foundation import identity

    return identity.words_source(params, store.root)


def embedded_folder(store_or_folder: Store | Path | None) -> Path:
    """Where the embedded family's heads are read from."""
    from chorus.teachers.embedded.weights import SHIPPED

    if isinstance(store_or_folder, Store):
        own = store_or_folder.embedded_teacher
        return own if (own / "provenance.json").exists() else SHIPPED
    return SHIPPED if store_or_folder is None else Path(store_or_folder)


def _embedded(params: TeacherParams, store_or_folder: Store | Path | None, device: Place) -> dict[Role, Teacher]:
    from chorus.teachers.embedded.teachers import load_embedded

    return load_embedded(embedded_folder(store_or_folder), device=device)


def _foundation(params: TeacherParams, store_or_folder: Store | Path | None, device: Place) -> dict[Role, Teacher]:
    from chorus.teachers.foundation import load_foundation

    root = store_or_folder.root if isinstance(store_or_folder, Store) else Path()
    return load_foundation(params, root, device=device)


_FAMILIES = {"embedded": _embedded, "foundation": _foundation}
