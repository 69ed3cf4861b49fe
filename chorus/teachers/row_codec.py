"""Rows of one teacher along a space-filling curve, transform-coded for a stated error in a few bits a value.

Neighbours on the curve see nearly the same patches, and channels are correlated. So the rows go through the principal
axes across channels and through the orthonormal Haar transform along the curve, a chunk of rows at a time; one rounding
step for all coefficients spreads the bits by error (Cover and Thomas, "Reverse water-filling"), and deflate packs the
codes, ordered from large to small. An axis is kept where the error it saves is worth its bytes.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from chorus_kernels import decode_rows

CHUNK = 1024  # rows that are coded, and read, together; a power of two
LEVELS = CHUNK.bit_length()  # of the Haar transform: the mean, then differences of 1, 2, 4, ... pairs of runs
_FIT_ROWS, _FIT_CHUNKS = 60_000, 32  # the axes, the step and the order are fitted on so many: more change them little
_UP = 0.4  # added before rounding down: what lies just above half a step costs more bits than it saves error
_BIT = 2 * np.log(2) / 12  # steps^2 of error that a bit buys where rounding noise is step^2 / 12
_CODE_BITS = 6.0  # of a code that is not 0, about
_LARGEST = 32767


@dataclass(frozen=True, kw_only=True)
class RowCode:
    """What the codes of one teacher's rows mean: x ~ mean + z @ basis, z [n, k] from the codes of a chunk."""

    mean: Tensor  # [C] float32
    axes: Tensor  # [k, C] int8
    scale: Tensor  # [k] float32: of an axis' integers, the rounding step included
    variance: Tensor  # [k] float32: mean square of z over the rows with a target
    order: Tensor  # [P] int32: level * k + axis of each run of codes in a stream

    @property
    def basis(self) -> Tensor:
        """[k, C] float32."""
        return self.axes.float() * self.scale[:, None]

    @cached_property
    def places(self) -> np.ndarray:
        """[S] int64: where each code of a stream belongs in a chunk [CHUNK, k]."""
        level, axis = np.divmod(self.order.numpy().astype(np.int64), max(1, len(self.scale)))
        first = np.where(level > 0, 1 << np.maximum(level - 1, 0), 0)
        count = np.maximum(first, 1)
        ends = count.cumsum()
        within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - count, count)
        return (np.repeat(first, count) + within) * len(self.scale) + np.repeat(axis, count)

    @cached_property
    def _sources(self) -> np.ndarray:
        """[CHUNK * k] int64: the inverse of :attr:`places`; S for what no stream speaks of."""
        sources = np.full(CHUNK * len(self.scale), len(self.places))
        sources[self.places] = np.arange(len(self.places))
        return sources

    @property
    def unsaid(self) -> np.ndarray:
        """Places of a chunk that no stream speaks of."""
        return np.flatnonzero(self._sources == len(self.places))

    def pack(self, codes: Tensor) -> bytes:
        """codes [CHUNK, k] int16 -> a deflated stream: low bytes, then the high bytes as far as there are any."""
        chosen = codes.contiguous().numpy().reshape(-1)[self.places]
        folded = ((chosen.astype(np.int32) << 1) ^ (chosen.astype(np.int32) >> 31)).astype("<u2")  # 0, -1, 1, -2, ...
        large = np.flatnonzero(folded > 255)
        wide = int(large[-1]) + 1 if len(large) else 0
        parts = np.array(wide, "<u4"), (folded & 255).astype("u1"), (folded[:wide] >> 8).astype("u1")
        data = b"".join(part.tobytes() for part in parts)
        packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zlib.Z_RLE)
        return packer.compress(data) + packer.flush()

    def unpack(self, stream: bytes) -> Tensor:
        """z [CHUNK, k] float32. Raises ValueError for a stream that is none of these."""
        try:
            data = bytearray(zlib.decompress(stream, -zlib.MAX_WBITS))
        except zlib.error as error:
            raise ValueError(error) from error
        if len(data) < 4:
            raise ValueError(f"a chunk of {len(data)} bytes")
        wide, k = int.from_bytes(data[:4], "little"), len(self.scale)
        if k == 0 and len(data) == 4:
            return torch.empty(CHUNK, 0)
        return decode_rows(torch.frombuffer(data, dtype=torch.uint8)[4:], wide, self.order, k, CHUNK)


@dataclass(frozen=True, kw_only=True)
class CodedRows:
    """Rows [N, C] as streams, one a chunk, and how far they are from what was coded (:class:`Figures`)."""

    code: RowCode
    streams: list[bytes]
    figures: dict[str, float]


def code_rows(rows: Tensor, valid: Tensor, *, error: float) -> CodedRows:
    """Code rows [N, C] float32 in curve order with a mean squared error of ``error`` times their variance, over the
    valid ones [N] bool. Where none is valid there is nothing to code; other rows come back as the valid one before.
    Deterministic on one machine.
    """
    filled = _last_valid(valid)
    mean, values, axes = _principal_axes(rows, valid)
    chosen = _spread(_chunks(len(rows)), _FIT_CHUNKS)
    fit = to_haar(torch.stack([(_chunk(rows, filled, i) - mean) @ axes for i in chosen]))
    seen = sum(int(valid[i * CHUNK : (i + 1) * CHUNK].sum()) for i in chosen)
    grain = axes.abs().amax(dim=0) / 127  # of the axes' own integers, which take their part of the error
    part = float((values * grain.square()).sum() / values.sum().clamp_min(1e-30)) * len(values) / 12
    step, keep = _fit_step(fit, values, rows=seen, error=max(error - part, error / 2))
    size = grain[keep]
    packed = (axes[:, keep] / size).round().to(torch.int8).T.contiguous()
    order = _order(_round(fit[..., keep], step))
    code = RowCode(mean=mean, axes=packed, scale=size * step, variance=torch.zeros(len(size)), order=order)
    streams, squares, difference = [], torch.zeros(len(size), dtype=torch.float64), _Difference(mean)
    for i in range(_chunks(len(rows))):
        exact = _chunk(rows, filled, i)
        codes = _round(to_haar(((exact - mean) @ axes[:, keep])[None]), step)
        codes.view(-1)[code.unsaid] = 0
        streams.append(code.pack(codes[0]))
        z = from_haar(codes.float())[0]
        seen = valid[i * CHUNK : (i + 1) * CHUNK]
        z, exact = z[: len(seen)][seen], exact[: len(seen)][seen]
        squares += z.double().square().sum(dim=0)
        difference.add(mean + z @ code.basis, exact)
    variance = (squares / max(1, int(valid.sum()))).float()
    code = RowCode(mean=mean, axes=packed, scale=code.scale, variance=variance, order=order)
    return CodedRows(code=code, streams=streams, figures=difference.figures())


def to_haar(x: Tensor) -> Tensor:
    """[n, CHUNK, k] rows -> coefficients of the orthonormal Haar transform along them, coarse before fine."""
    parts = []
    while x.shape[1] > 1:
        parts.append((x[:, 0::2] - x[:, 1::2]) * 0.5**0.5)
        x = (x[:, 0::2] + x[:, 1::2]) * 0.5**0.5
    return torch.cat([x, *reversed(parts)], dim=1)


def from_haar(c: Tensor) -> Tensor:
    """The inverse of :func:`to_haar`, in float32 for integers."""
    steps = c.shape[1].bit_length() - torch.arange(c.shape[1]).clamp_min(1).log2().int() - 1
    c = c * (0.5 ** (0.5 * steps))[:, None].to(c.dtype if c.is_floating_point() else torch.float32)
    x = c[:, :1]
    while x.shape[1] < c.shape[1]:
        difference = c[:, x.shape[1] : 2 * x.shape[1]]
        finer = c.new_empty(len(c), 2 * x.shape[1], c.shape[2])
        torch.add(x, difference, out=finer[:, 0::2])
        torch.sub(x, difference, out=finer[:, 1::2])
        x = finer
    return x


class _Difference:
    """How far decoded rows are from exact ones."""

    def __init__(self, mean: Tensor):
        self.mean, self.squared, self.variance = mean, 0.0, 0.0
        self.plain: list[Tensor] = []
        self.centered: list[Tensor] = []

    def add(self, decoded: Tensor, exact: Tensor) -> None:
        self.squared += float((decoded - exact).double().square().sum())
        self.variance += float((exact - self.mean).double().square().sum())
        self.plain.append(torch.nn.functional.cosine_similarity(decoded, exact, dim=1))
        self.centered.append(torch.nn.functional.cosine_similarity(decoded - self.mean, exact - self.mean, dim=1))

    def figures(self) -> dict[str, float]:
        """error: mean squared, as a share of the variance; cosines with the exact rows, and with the mean taken off
        both: mean and first percentile."""
        found = {"error": round(self.squared / self.variance, 6) if self.variance else 0.0}
        for name, parts in (("cosine", self.plain), ("centered_cosine", self.centered)):
            values = np.sort(torch.cat(parts).double().numpy()) if parts else np.zeros(0)
            if len(values):
                low = values[int(0.01 * (len(values) - 1))]
                found |= {f"{name}_mean": round(float(values.mean()), 6), f"{name}_p01": round(float(low), 6)}
        return found


def _principal_axes(rows: Tensor, valid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean [C], variances [C] (largest first) and axes [C, C] (columns, signs fixed) of the valid rows, all alike."""
    chosen = torch.nonzero(valid)[:, 0]
    chosen = chosen[:: max(1, len(chosen) // _FIT_ROWS)]
    if not len(chosen):
        return torch.zeros(rows.shape[1]), torch.zeros(rows.shape[1]), torch.eye(rows.shape[1])
    sample = rows[chosen]
    mean = sample.mean(dim=0, dtype=torch.float64).float()
    centered = sample - mean
    values, axes = torch.linalg.eigh((centered.T @ centered).double() / len(centered))
    values, axes = values.flip(0).clamp_min(0), axes.flip(1)
    signs = axes.gather(0, axes.abs().argmax(dim=0, keepdim=True)).sign()
    return mean, values.float(), (axes * signs).float()


def _fit_step(coded: Tensor, values: Tensor, *, rows: int, error: float) -> tuple[float, Tensor]:
    """The rounding step that makes this error of coefficients [n, CHUNK, C] of so many rows with a target, and which
    axes [C] bool are worth it. values: [C] variances of the axes, which say roughly where to look."""
    variance = float(values.sum())
    if variance <= 0:
        return 1.0, torch.zeros(len(values), dtype=torch.bool)
    low = _flat_step(values, error * variance) / 3  # the Haar transform and the price of axes move it a little
    power, asked = coded.square().sum(dim=(0, 1), dtype=torch.float64), error * variance * rows
    left, worth = _left(coded, power, low)
    while left > asked and low > variance**0.5 / _LARGEST:
        low /= 3
        left, worth = _left(coded, power, low)
    high = 9 * low
    for _ in range(9):
        step = (low * high) ** 0.5
        left, chosen = _left(coded, power, step)
        low, high, worth = (step, high, chosen) if left < asked else (low, step, worth)
    return low, worth


def _left(coded: Tensor, power: Tensor, step: float) -> tuple[float, Tensor]:
    """The squared error that a step leaves of coefficients [n, CHUNK, C] whose squares sum to power [C], and the axes
    [C] bool that are worth their bytes."""
    able = torch.nonzero(power > _BIT * step**2 * 8 * len(power))[:, 0]  # the others never are
    codes = _round(coded[..., able], step)
    left = power.clone()
    left[able] = (codes * step - coded[..., able]).square_().sum(dim=(0, 1), dtype=torch.float64)
    bits = torch.full_like(power, 8 * len(power))
    bits[able] += _CODE_BITS * (codes != 0).sum(dim=(0, 1))
    worth = power - left > _BIT * step**2 * bits
    return float(torch.where(worth, left, power).sum()), worth


def _flat_step(values: Tensor, error: float) -> float:
    """The step whose rounding noise on variances [C], at most all of each, sums to this error; by bisection."""
    low, high = 0.0, 12.0 * float(values.max())  # of step^2
    for _ in range(50):
        square = (low + high) / 2
        low, high = (square, high) if float(values.clamp_max(square / 12).sum()) < error else (low, square)
    return high**0.5


def _order(codes: Tensor) -> Tensor:
    """[P] int32: level * k + axis, largest codes first, those that are never more than 0 left out."""
    starts = [0, *(1 << level for level in range(LEVELS))]
    mean = torch.stack([codes[:, a:b].abs().float().mean(dim=(0, 1)) for a, b in zip(starts, starts[1:], strict=False)])
    order = mean.flatten().argsort(descending=True, stable=True)
    return order[mean.flatten()[order] > 0].int()


def _round(x: Tensor, step: float) -> Tensor:
    return (x.sign() * (x.abs() / step + _UP).floor()).clamp_(-_LARGEST, _LARGEST).to(torch.int16)


def _last_valid(valid: Tensor) -> Tensor:
    """[N] int64: each row's own number where it is valid, else the valid one before (the first one's before that)."""
    rows = torch.arange(len(valid))
    last = torch.where(valid, rows, -1).cummax(dim=0).values if len(valid) else rows
    return torch.where(last < 0, int(valid.int().argmax()) if len(valid) else 0, last)


def _chunk(rows: Tensor, filled: Tensor, number: int) -> Tensor:
    """[CHUNK, C]: the rows of a chunk; the last chunk repeats its last row."""
    taken = filled[number * CHUNK : (number + 1) * CHUNK]
    return rows[torch.cat([taken, taken[-1:].expand(CHUNK - len(taken))])]


def _chunks(rows: int) -> int:
    return -(-rows // CHUNK)


def _spread(count: int, most: int) -> list[int]:
    """At most ``most`` of 0 .. count - 1, evenly."""
    return list(range(count)) if count <= most else [i * count // most for i in range(most)]
