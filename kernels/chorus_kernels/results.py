"""What the ops return, and what products with it need. Imports only checks and dispatch: every other module may import
this one."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from chorus_kernels import checks, dispatch


class Rasterized(NamedTuple):
    """A batch of rendered views. Not visible means radius 0."""

    colors: Tensor  # [V, H, W, C]
    depths: Tensor  # [V, H, W] sum of w_i z_i, NOT divided by alpha
    alphas: Tensor  # [V, H, W] sum of w_i
    radii: Tensor  # [V, N] int32, pixels

    @property
    def visible(self) -> Tensor:  # [V, N] bool
        return self.radii > 0


class Csr(NamedTuple):
    """A sparse float32 matrix by rows."""

    indptr: Tensor  # [rows + 1] int64
    indices: Tensor  # [nnz] int32, columns
    values: Tensor  # [nnz] float32

    def check(self, op: str, columns: int) -> None:
        """Raises ValueError unless the arrays describe a matrix of so many columns."""
        device = checks.home(self.values)
        checks.tensor(op, "indptr", self.indptr, ("N + 1",), dtypes=(torch.int64,), device=device)
        checks.tensor(op, "indices", self.indices, ("nnz",), dtypes=(torch.int32,), device=device)
        checks.tensor(op, "values", self.values, (self.indices.shape[0],), device=device)
        if self.indptr.shape[0] < 1:
            raise ValueError(f"{op}: indptr must have at least one element, got none")
        if device == checks.CPU and not dispatch.use_reference():  # values on a card are trusted
            problem = dispatch.native().check_csr(self.indptr, self.indices, columns)
            if problem:
                raise ValueError(f"{op}: {problem}")

    def transpose(self, columns: int) -> "Csr":
        """The transpose of a matrix of so many columns, rows ascending in each of its rows; plain torch where the
        native build does not run."""
        if dispatch.on_card(self.values) or dispatch.use_reference():
            rows = torch.arange(self.indptr.shape[0] - 1, device=self.indptr.device)
            rows = torch.repeat_interleave(rows, self.indptr.diff(), output_size=self.values.shape[0])
            column, order = torch.sort(self.indices, stable=True)
            return Csr(pointers(column, columns), rows[order].to(torch.int32), self.values[order])
        nnz = self.indices.shape[0]
        out = Csr(torch.empty(columns + 1, dtype=torch.int64), torch.empty(nnz, dtype=torch.int32), torch.empty(nnz))
        dispatch.native().transpose(*self, *out)
        return out


def pointers(sorted_rows: Tensor, rows: int) -> Tensor:
    """[rows + 1] int64: where each row of ascending row numbers [nnz] begins. Waits for no device."""
    edges = torch.arange(rows + 1, dtype=sorted_rows.dtype, device=sorted_rows.device)
    return torch.searchsorted(sorted_rows, edges)


@dataclass(frozen=True)
class PatchWeights:
    """G = W^T B: W the blending weight of every pixel and Gaussian, B the upsampling of a patch map to the image.

    CSR over Gaussians; column = view * rows * cols + patch row * cols + patch column.
    """

    indptr: Tensor  # [N + 1] int64
    indices: Tensor  # [nnz] int32
    values: Tensor  # [nnz] float32
    total: Tensor  # [N] sum of w over all pixels and views
    coverage: Tensor  # [V * rows * cols] column sums
    shape: tuple[int, int] = field(kw_only=True)  # (N, V * rows * cols)

    def __post_init__(self) -> None:
        if dispatch.on_card(self.values):  # made by us; the checks read every element on the CPU
            return
        self.csr.check("PatchWeights", self.shape[1])
        checks.tensor("PatchWeights", "indptr", self.indptr, (self.shape[0] + 1,), dtypes=(torch.int64,))
        checks.tensor("PatchWeights", "total", self.total, (self.shape[0],))
        checks.tensor("PatchWeights", "coverage", self.coverage, (self.shape[1],))

    @property
    def csr(self) -> Csr:
        return Csr(self.indptr, self.indices, self.values)

    def to(self, device: torch.device | str) -> "PatchWeights":
        """The same on another device; itself where it lies there."""
        if self.values.device == torch.device(device):
            return self
        parts = (self.indptr, self.indices, self.values, self.total, self.coverage)
        return PatchWeights(*(part.to(device) for part in parts), shape=self.shape)

    @cached_property
    def transposed(self) -> Csr:
        """CSR of G^T; made at first use and kept."""
        return self.csr.transpose(self.shape[1])
