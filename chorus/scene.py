"""A scene of 3D Gaussians, as every stage after fitting reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from chorus.errors import InputError
from chorus.frames import Frame

SH_C0 = 0.28209479177387814  # the constant spherical harmonic, 1 / (2 sqrt(pi))


_TENSORS = ("means", "quats", "log_scales", "opacity_logits", "sh")


@dataclass(frozen=True, kw_only=True)
class SplatLabels:
    """What is said of each of N Gaussians: by a file, or by a model that was asked."""

    label: Tensor  # [N] int32, index into names; -1 where none
    instance: Tensor | None = None  # [N] int32; -1 where none
    score: Tensor | None = None  # [N] float32 in 0..1
    names: tuple[str, ...] = ()  # empty where the file names none

    def map(self, change: Callable[[Tensor], Tensor]) -> SplatLabels:
        """Every array changed alike."""
        optional = {
            name: None if array is None else change(array)
            for name, array in (("instance", self.instance), ("score", self.score))
        }
        return replace(self, label=change(self.label), **optional)


@dataclass(frozen=True, kw_only=True)
class ReadReport:
    """What a file says of its frame and what reading it left out; empty for a scene made here."""

    total: int = 0  # rows of the file; 0: not read from one
    rows: Tensor | None = None  # [N] int64, the file's row of each Gaussian; None where none was left out
    notes: tuple[str, ...] = ()  # a line each, for the user
    up: tuple[float, float, float] | None = None  # the direction the file says is up, in the scene's axes
    unit: float | None = None  # metres of one unit, as the file says


@dataclass(frozen=True, kw_only=True)
class GaussianScene:
    """N Gaussians in the parameters 3DGS optimises (Kerbl et al. 2023), z up, metres where ``frame`` says so.

    means [N, 3] m; quats [N, 4] wxyz (any length); log_scales [N, 3] ln m; opacity_logits [N]; sh [N, K, 3] with
    K = (degree + 1)^2, channel order RGB, colour = 0.5 + SH. frame: how they relate to the file's coordinates; report:
    what reading it left out; labels: what the file says of each Gaussian.
    """

    means: Tensor  # [N, 3]
    quats: Tensor  # [N, 4]
    log_scales: Tensor  # [N, 3]
    opacity_logits: Tensor  # [N]
    sh: Tensor  # [N, K, 3]
    frame: Frame = field(default_factory=Frame)
    report: ReadReport = ReadReport()
    labels: SplatLabels | None = None

    def __len__(self) -> int:
        return len(self.means)

    def __repr__(self) -> str:
        """One line: how many, the box of their centres, harmonics, up and unit with how they are known, labels."""
        parts = [f"{len(self):,} Gaussians", self.frame.size(self.means.detach().cpu().numpy())]
        parts += [f"sh degree {self.sh_degree}", self.frame.says()]
        if self.labels is not None:
            parts.append(f"labels of {len(self.labels.names)} names")
        if self.report.rows is not None:
            parts.append(f"{self.report.total - len(self.report.rows):,} rows of the file left out")
        return f"GaussianScene({'; '.join(parts)})"

    @property
    def scales(self) -> Tensor:
        """[N, 3] standard deviations along the own axes, m."""
        return self.log_scales.exp()

    @property
    def opacities(self) -> Tensor:
        """[N] in [0, 1]."""
        return self.opacity_logits.sigmoid()

    @property
    def unit_quats(self) -> Tensor:
        """[N, 4] wxyz, unit length, w >= 0."""
        quats = torch.nn.functional.normalize(self.quats, dim=-1)
        return torch.where(quats[:, :1] < 0, -quats, quats)

    @property
    def rgb(self) -> Tensor:
        """[N, 3] base colour in [0, 1] (the constant term of the spherical harmonics)."""
        return (self.sh[:, 0] * SH_C0 + 0.5).clamp(0.0, 1.0)

    @property
    def sh_degree(self) -> int:
        return int(self.sh.shape[1] ** 0.5) - 1

    def tensors(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in _TENSORS}

    def select(self, index: Tensor) -> GaussianScene:
        """The Gaussians of an index or boolean mask [M]; what file rows they were is forgotten."""
        report = replace(self.report, rows=None)
        return replace(self._map(lambda tensor: tensor[index.to(tensor.device)]), report=report)

    def to(self, device: torch.device | str) -> GaussianScene:
        return self._map(lambda tensor: tensor.to(device))

    def detached(self) -> GaussianScene:
        return self._map(Tensor.detach)

    def _map(self, change: Callable[[Tensor], Tensor]) -> GaussianScene:
        labels = None if self.labels is None else self.labels.map(change)
        return replace(self, labels=labels, **{name: change(tensor) for name, tensor in self.tensors().items()})

    def translated(self, offset: Tensor) -> GaussianScene:
        """Moved by offset [3] m."""
        return replace(self, means=self.means + offset.to(self.means))

    def validate(self, where: object = "scene") -> GaussianScene:
        """Itself, when shapes agree and every value is finite.

        Raises InputError naming the array that does not fit.
        """
        n = len(self.means)
        shapes = {"means": (n, 3), "quats": (n, 4), "log_scales": (n, 3), "opacity_logits": (n,)}
        for name, shape in shapes.items():
            if tuple(getattr(self, name).shape) != shape:
                raise InputError(where, expected=f"{name} of shape {list(shape)}", got=list(getattr(self, name).shape))
        if self.sh.ndim != 3 or self.sh.shape[0] != n or self.sh.shape[1] not in (1, 4, 9, 16) or self.sh.shape[2] != 3:
            raise InputError(where, expected=f"sh of shape [{n}, 1|4|9|16, 3]", got=list(self.sh.shape))
        if n == 0:
            raise InputError(where, expected="at least one Gaussian", got="an empty scene")
        for name, tensor in self.tensors().items():
            bad = int((~torch.isfinite(tensor.reshape(n, -1))).any(dim=1).sum())
            if bad:
                raise InputError(
                    where,
                    expected=f"finite {name}",
                    got=f"NaN or infinity in {bad} of {n} Gaussians",
                    fix="Drop those Gaussians or fit the scene again.",
                )
        return self


def scene_from_colors(means: Tensor, quats: Tensor, scales: Tensor, opacities: Tensor, rgb: Tensor) -> GaussianScene:
    """Build a scene from activated values: scales [N, 3] m, opacities [N] in (0, 1), rgb [N, 3] in [0, 1]."""
    opacities = opacities.clamp(1e-6, 1 - 1e-6)
    return GaussianScene(
        means=means,
        quats=quats,
        log_scales=scales.clamp_min(1e-9).log(),
        opacity_logits=torch.logit(opacities),
        sh=((rgb - 0.5) / SH_C0)[:, None],
    )
