"""Lifted targets as a training reads them: a file of compact rows, in chunks along a space-filling curve, so that a
crop in space reads a few chunks.

The Gaussians' curve order is not stored: it follows from their centres, and the file knows its checksum. Each chunk has
one too. A row's PHI-S goes into its axes, so that reading in the standardised space is the same one product.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from chorus.errors import InputError
from chorus.scene import GaussianScene
from chorus.teachers.base import Role
from chorus.teachers.phi_s import PhiS, Standard
from chorus.teachers.row_codec import CHUNK, CodedRows, RowCode
from chorus_kernels import curve_codes

ROWS = "rows.safetensors"
_NOTES = "rows"  # one metadata entry, for equal content must give equal bytes
_DEPTH = 16  # bits an axis of the curve
_AGAIN = "Make the targets again."


def curve_order(means: Tensor) -> Tensor:
    """[N] int64: the Gaussians of centres [N, 3] along a Hilbert curve over their bounding cube."""
    low = means.amin(dim=0)
    extent = (means - low).amax().clamp_min(torch.finfo(torch.float32).tiny)
    cells = ((means - low) / extent * (2**_DEPTH - 1)).int()
    return curve_codes(cells, cells.new_zeros(len(cells)), "hilbert", _DEPTH).argsort(stable=True)


def save_rows(
    path: Path, rows: Mapping[Role, CodedRows], *, valid: Mapping[Role, Tensor], order: Tensor, teachers: Mapping
) -> None:
    """Write the coded rows of every role. valid: role -> [N] bool, in curve order as the rows are; order: [N] as
    :func:`curve_order` gives it; teachers: role -> name."""
    tensors: dict[str, Tensor] = {}
    notes: dict[str, Any] = {"rows": len(order), "chunk": CHUNK, "order": _checksum(order.numpy()), "roles": {}}
    for role, coded in rows.items():
        code, ends = coded.code, np.cumsum([len(stream) for stream in coded.streams])
        found = {
            "codes": torch.frombuffer(bytearray(b"".join(coded.streams)), dtype=torch.uint8),
            "ends": torch.from_numpy(ends.astype(np.int64)),
            "checks": torch.tensor([zlib.crc32(stream) for stream in coded.streams]),
            "valid": torch.from_numpy(np.packbits(valid[role].numpy())),
            "mean": code.mean,
            "axes": code.axes,
            "scale": code.scale,
            "variance": code.variance,
            "order": code.order.to(torch.uint16) if code.axes.shape[0] * 11 < 2**16 else code.order,
        }
        tensors |= {f"{role}.{name}": tensor.contiguous() for name, tensor in found.items()}
        facts = {"teacher": teachers.get(role, ""), "valid": int(valid[role].sum()), "axes": len(code.scale)}
        size = sum(tensor.numel() * tensor.element_size() for tensor in found.values())
        notes["roles"][role] = {**facts, "bytes": size, "channels": len(code.mean), **coded.figures}
    save_file(tensors, path, metadata={_NOTES: json.dumps(notes, sort_keys=True)})


@dataclass(frozen=True)
class RowFile:
    """What :func:`save_rows` wrote. Rows are numbered along the curve. Nothing but the notes is read before it is asked
    for; codes through the file's map. Every reader raises InputError for a file that is cut short or damaged."""

    path: Path
    notes: dict = field(repr=False)
    _file: Any = field(repr=False)
    _codes: dict[str, RowCode] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, folder: Path) -> RowFile:
        """The rows of a targets folder."""
        path = Path(folder) / ROWS
        try:
            file = safe_open(path, "pt")
            notes = json.loads((file.metadata() or {})[_NOTES])
            if notes["chunk"] != CHUNK:
                raise ValueError(f"chunks of {notes['chunk']} rows")
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise _damaged(path, error) from error
        return cls(path, notes, file)

    def __len__(self) -> int:
        return self.notes["rows"]

    @property
    def roles(self) -> tuple[Role, ...]:
        return tuple(self.notes["roles"])

    @property
    def channels(self) -> dict[str, int]:
        """Role -> C."""
        return {role: facts["channels"] for role, facts in self.notes["roles"].items()}

    @property
    def teachers(self) -> dict[str, str]:
        """Role -> the teacher's name."""
        return {role: facts["teacher"] for role, facts in self.notes["roles"].items()}

    def figures(self, role: Role) -> dict:
        """Counts, bytes and how far the rows are from what was lifted."""
        return self.notes["roles"][role]

    def identity(self) -> str:
        """One hash of all rows, made of the chunks' checksums."""
        digest = hashlib.sha256(json.dumps(self.notes, sort_keys=True).encode())
        for role in self.roles:
            for name in ("checks", "axes", "scale", "mean", "valid"):
                digest.update(self._tensor(role, name).numpy().tobytes())
        return digest.hexdigest()

    def order(self, scene: GaussianScene) -> Tensor:
        """[N] int64: which Gaussian each row belongs to. Raises InputError for another scene than the rows' own."""
        order = curve_order(scene.means) if len(scene) == len(self) else None
        if order is None or _checksum(order.numpy()) != self.notes["order"]:
            got = f"{len(scene)} others" if order is not None else f"a scene of {len(scene)}"
            raise InputError(self.path, expected=f"the {len(self)} Gaussians it was made for", got=got, fix=_AGAIN)
        return order

    def valid(self, role: Role) -> Tensor:
        """[N] bool along the curve: total rendering weight above the threshold."""
        bits = np.unpackbits(self._tensor(role, "valid").numpy(), count=len(self))
        return torch.from_numpy(bits.astype(bool))

    def code(self, role: Role) -> RowCode:
        if role not in self._codes:
            parts = {name: self._tensor(role, name) for name in ("mean", "axes", "scale", "variance")}
            self._codes[role] = RowCode(**parts, order=self._tensor(role, "order").to(torch.int32))
        return self._codes[role]

    def coefficients(
        self, role: Role, chunks: Sequence[int] | None = None, *, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """z [n, k] of the rows of these chunks, of all when None: x = mean + z @ basis."""
        chunks = range(-(-len(self) // CHUNK)) if chunks is None else chunks
        counts = [min(CHUNK, len(self) - chunk * CHUNK) for chunk in chunks]
        z = torch.empty(sum(counts), len(self.code(role).scale), dtype=dtype)
        for into, part in zip(z.split(counts), self._unpacked(role, chunks), strict=True):
            into.copy_(part[: len(into)])
        return z

    def coefficients_at(self, role: Role, rows: Tensor) -> Tensor:
        """z [n, k] float16 of these rows [n] int64; one chunk at a time is held in float32."""
        chunks, counts = torch.unique(rows // CHUNK, return_counts=True)
        z = torch.empty(len(rows), len(self.code(role).scale), dtype=torch.float16)
        places = (rows // CHUNK).argsort(stable=True).split(counts.tolist())
        for where, part in zip(places, self._unpacked(role, chunks.tolist()), strict=True):
            z[where] = part[rows[where] % CHUNK].half()
        return z

    def _unpacked(self, role: Role, chunks: Sequence[int]) -> Iterator[Tensor]:
        """z [CHUNK, k] float32 of each chunk; what lies behind the last row is there too."""
        code = self.code(role)
        ends = [0, *self._tensor(role, "ends").tolist()]
        checks = self._tensor(role, "checks").tolist()
        for chunk in chunks:
            stream = self._slice(role, ends[chunk], ends[chunk + 1])
            if zlib.crc32(stream) != checks[chunk]:
                raise _damaged(self.path, f"another checksum of chunk {chunk} of {role}")
            try:
                yield code.unpack(stream)
            except ValueError as error:
                raise _damaged(self.path, error) from error

    def features(self, role: Role, chunks: Sequence[int] | None = None) -> Tensor:
        """[n, C] float32 in the teacher's own space, along the curve; zero where not valid."""
        code, valid = self.code(role), self.valid(role)
        if chunks is not None:
            valid = torch.cat([valid[chunk * CHUNK : (chunk + 1) * CHUNK] for chunk in chunks])
        return (code.mean + self.coefficients(role, chunks) @ code.basis).mul_(valid[:, None])

    def reading(self, role: Role, standard: Standard) -> tuple[Tensor, Tensor]:
        """(matrix [k, C], offset [C]): x~ = offset + z @ matrix in the standardised space."""
        code = self.code(role)
        return code.basis @ standard.into, standard.apply(code.mean)

    def moments(self, role: Role) -> tuple[Tensor, Tensor]:
        """Features [2k, C] and weights [2k] with the mean and the covariance of the valid rows."""
        code = self.code(role)
        k = len(code.scale)
        if k == 0:
            return code.mean[None], torch.tensor([float(self.figures(role)["valid"])])
        spread = code.basis * (code.variance * k).sqrt()[:, None]
        features = torch.cat([code.mean + spread, code.mean - spread])
        return features, torch.full((2 * k,), self.figures(role)["valid"] / (2 * k))

    def _tensor(self, role: Role, name: str) -> Tensor:
        try:
            return self._file.get_tensor(f"{role}.{name}")
        except SafetensorError as error:
            raise _damaged(self.path, error) from error

    def _slice(self, role: Role, start: int, end: int) -> bytes:
        try:
            return self._file.get_slice(f"{role}.codes")[start:end].numpy().tobytes()
        except (SafetensorError, IndexError) as error:
            raise _damaged(self.path, error) from error


def fit_phi_s(files: Iterable[RowFile], role: Role) -> PhiS:
    """PHI-S of a role over all valid rows of these scenes, from their means and axes: no row is read."""
    return PhiS.fit(file.moments(role) for file in files)


def _checksum(array: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(array).tobytes())


def _damaged(path: Path, got: object) -> InputError:
    return InputError(path, expected="the lifted rows of a scene, whole", got=got, fix=_AGAIN)
