"""PHI-S: standardise each teacher so that equal loss weights work (Ranzinger et al. 2024, "PHI-S: Distribution
Balancing ...").

With mean mu, covariance U diag(l) U^T, a Hadamard matrix H scaled so that H H^T = I, and phi = sqrt(mean l):

    x~ = H U^T (x - mu) / phi          x = phi U H^T x~ + mu

Every channel of x~ has variance 1, and the angles of centred features are kept (rotations and one scale, nothing more).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from chorus.errors import InputError


@dataclass(frozen=True, kw_only=True)
class PhiS:
    """The fitted map of one teacher with C channels."""

    mean: Tensor  # [C] float32
    rotation: Tensor  # [C, C] float32, H U^T, orthogonal
    scale: float  # phi
    mixing: str  # which H: "hadamard", or "random orthogonal" for orders no construction here reaches

    @classmethod
    def fit(cls, batches: Iterable[Tensor | tuple[Tensor, Tensor]]) -> PhiS:
        """From features [n, C] or (features [n, C], weights [n]), as :func:`moments` reads them."""
        return cls._from_moments(*moments(batches))

    @classmethod
    def _from_moments(cls, mean: Tensor, covariance: Tensor) -> PhiS:
        values, axes = torch.linalg.eigh(covariance)  # columns: axes
        axes = (
            axes * axes.gather(0, axes.abs().argmax(dim=0, keepdim=True)).sign()
        )  # an eigenvector's sign is arbitrary: fix it
        mixing, kind = mixing_matrix(len(mean))
        scale = float(values.clamp_min(0).mean().sqrt())
        if scale <= 0:
            raise InputError("PHI-S", expected="features that vary", got="one constant vector")
        return cls(mean=mean.float(), rotation=(mixing @ axes.T).float(), scale=scale, mixing=kind)

    @property
    def dim(self) -> int:
        return len(self.mean)

    @property
    def into(self) -> Tensor:
        """[C, C]: x~ = (x - mean) @ into."""
        return self.rotation.T / self.scale

    @property
    def back(self) -> Tensor:
        """[C, C]: x = x~ @ back + mean."""
        return self.rotation * self.scale

    def apply(self, features: Tensor) -> Tensor:
        """[..., C] the teacher's own space -> [..., C] standardised."""
        return (features - self.mean.to(features)) @ self.into.to(features)

    def invert(self, features: Tensor) -> Tensor:
        """[..., C] standardised -> [..., C] the teacher's own space. Needed before comparing with text."""
        return features @ self.back.to(features) + self.mean.to(features)

    def save(self, path: Path) -> None:
        """Write it as safetensors, equal maps as equal bytes: one metadata entry, for the order of several is drawn."""
        tensors = {"mean": self.mean.contiguous(), "rotation": self.rotation.contiguous()}
        notes = json.dumps({"scale": self.scale.hex(), "mixing": self.mixing}, sort_keys=True)
        save_file(tensors, path, metadata={"phi_s": notes})

    @classmethod
    def load(cls, path: Path) -> PhiS:
        """What :meth:`save` wrote. Raises InputError when the file is absent or damaged."""
        try:
            with safe_open(path, "pt") as file:
                notes = json.loads(file.metadata()["phi_s"])
                mean, rotation = file.get_tensor("mean"), file.get_tensor("rotation")
            return cls(mean=mean, rotation=rotation, scale=float.fromhex(notes["scale"]), mixing=notes["mixing"])
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise InputError(path, expected="a PHI-S file", got=error, fix="Train the encoder again.") from error


@dataclass(frozen=True, kw_only=True)
class Channels:
    """What PHI-S is compared with: every channel of one teacher centred and divided by its own deviation, or (``none``)
    left as it is. mean, into, back: as of PhiS."""

    mean: Tensor  # [C] float32
    spread: Tensor  # [C] float32

    @classmethod
    def fit(cls, batches: Iterable[Tensor | tuple[Tensor, Tensor]]) -> Channels:
        """As PhiS.fit; a channel that does not vary is centred alone."""
        mean, covariance = moments(batches)
        spread = covariance.diagonal().clamp_min(0).sqrt()
        return cls(mean=mean.float(), spread=torch.where(spread > 1e-12, spread, 1.0).float())

    @classmethod
    def none(cls, batches: Iterable[Tensor | tuple[Tensor, Tensor]]) -> Channels:
        """The identity, of as many channels as the first batch has."""
        first = next(iter(batches))
        channels = (first[0] if isinstance(first, tuple) else first).shape[1]
        return cls(mean=torch.zeros(channels), spread=torch.ones(channels))

    @property
    def into(self) -> Tensor:
        return torch.diag(1.0 / self.spread)

    @property
    def back(self) -> Tensor:
        return torch.diag(self.spread)

    def apply(self, features: Tensor) -> Tensor:
        """[..., C] the teacher's own space -> [..., C] standardised."""
        return (features - self.mean.to(features)) / self.spread.to(features)


Standard = PhiS | Channels
STANDARDS = {"phi_s": PhiS.fit, "channels": Channels.fit, "none": Channels.none}


def moments(batches: Iterable[Tensor | tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Mean [C] and covariance [C, C], float64, of features [n, C] or (features [n, C], weights [n]), read once, one
    batch at a time.

    Sums run in float64, so the order of the batches matters only to rounding. Raises InputError on no data, NaN or
    infinity.
    """
    total, mean, scatter = 0.0, torch.zeros(0), torch.zeros(0)
    for batch in batches:
        features, weights = batch if isinstance(batch, tuple) else (batch, torch.ones(len(batch)))
        x, w = features.double(), weights.double()
        if not torch.isfinite(x).all():
            raise InputError(
                "PHI-S", expected="finite features", got="NaN or infinity", fix="Make the teacher views again."
            )
        batch_total = float(w.sum())
        if batch_total <= 0:
            continue
        if total == 0:
            mean, scatter = x.new_zeros(x.shape[1]), x.new_zeros(x.shape[1], x.shape[1])
        # Chan, Golub and LeVeque 1983: merge the moments of two sets.
        batch_mean = (w @ x) / batch_total
        centered = x - batch_mean
        delta = batch_mean - mean
        scatter += centered.T @ (centered * w[:, None]) + torch.outer(delta, delta) * (
            total * batch_total / (total + batch_total)
        )
        total += batch_total
        mean = mean + delta * (batch_total / total)
    if total == 0:
        raise InputError("PHI-S", expected="features to fit", got="none")
    return mean, scatter / total


def mixing_matrix(order: int) -> tuple[Tensor, str]:
    """[C, C] float64 orthogonal H with its kind: a scaled Hadamard matrix where known, else a fixed random orthogonal
    one.

    With a random H the channels' variances are near 1 rather than exactly 1.
    """
    hadamard = hadamard_matrix(order)
    if hadamard is not None:
        return hadamard / order**0.5, "hadamard"
    noise = torch.randn(order, order, dtype=torch.float64, generator=torch.Generator().manual_seed(order))
    q, r = torch.linalg.qr(noise)
    return q * r.diagonal().sign(), "random orthogonal"


def hadamard_matrix(order: int) -> Tensor | None:
    """[n, n] of +-1 with H H^T = n I by Sylvester's doubling of a 1x1 or a Paley matrix; None for other orders."""
    core, doublings = order, 0
    while core > 0:
        matrix = torch.ones(1, 1, dtype=torch.float64) if core == 1 else _paley(core)
        if matrix is not None:
            for _ in range(doublings):
                matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
            return matrix
        if core % 2:
            return None
        core, doublings = core // 2, doublings + 1
    return None


def _paley(order: int) -> Tensor | None:
    """Paley 1933, over a field of q elements: order q + 1 for q = 3 mod 4 (I), order 2 (q + 1) for q = 1 mod 4 (II)."""
    q = order - 1
    if q % 4 == 3 and (field := _prime_power(q)):
        return torch.eye(order, dtype=torch.float64) + _conference(*field, skew=True)
    q = order // 2 - 1
    if order % 2 == 0 and q % 4 == 1 and (field := _prime_power(q)):
        C, one = _conference(*field, skew=False), torch.eye(q + 1, dtype=torch.float64)
        return torch.cat([torch.cat([C + one, C - one], 1), torch.cat([C - one, -C - one], 1)])
    return None


def _conference(p: int, k: int, *, skew: bool) -> Tensor:
    """[q + 1, q + 1] for q = p^k with zero diagonal, +-1 elsewhere and C C^T = q I: the quadratic characters of a - b
    in GF(q), bordered by ones."""
    q, places = p**k, p ** torch.arange(k)
    digits = (
        torch.arange(q)[:, None] // places % p
    )  # element n is the polynomial whose coefficients are the digits of n to base p
    difference = ((digits[:, None] - digits[None]) % p * places).sum(dim=-1)
    matrix = torch.zeros(q + 1, q + 1, dtype=torch.float64)
    matrix[1:, 1:] = _quadratic_characters(p, k)[difference]
    matrix[0, 1:] = 1
    matrix[1:, 0] = -1 if skew else 1
    return matrix


def _quadratic_characters(p: int, k: int) -> Tensor:
    """[q] of GF(q), q = p^k odd: 1 for squares, -1 for the others, 0 for zero. Squares are the even powers of a
    primitive element."""
    for rule in itertools.product(range(p), repeat=k):
        powers = _powers_of_x(rule, p) if rule[0] else []
        if len(powers) == p**k - 1:  # x reaches every element but zero: the ring is a field and x primitive
            break
    characters = torch.zeros(p**k, dtype=torch.float64)
    characters[powers[0::2]], characters[powers[1::2]] = 1, -1
    return characters


def _powers_of_x(rule: tuple[int, ...], p: int) -> list[int]:
    """1, x, x^2, ... until 1 comes again, as numbers to base p, where x^k = rule[0] + rule[1] x + ... and rule[0] is
    not 0 (so x has an inverse)."""
    one = (1, *(0 for _ in rule[1:]))
    element, found = one, []
    while not found or element != one:
        found.append(sum(digit * p**i for i, digit in enumerate(element)))
        element = tuple((below + element[-1] * r) % p for below, r in zip((0, *element[:-1]), rule, strict=True))
    return found


def _prime_power(n: int) -> tuple[int, int] | None:
    """(p, k) with n = p^k and p prime, or None."""
    if n < 2:
        return None
    p = next((d for d in range(2, int(n**0.5) + 1) if n % d == 0), n)
    k = 1
    while p**k < n:
        k += 1
    return (p, k) if p**k == n else None
