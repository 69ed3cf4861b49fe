"""A scene of 3D Gaussians, as every stage after fitting reads it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from chorus.errors import InputError

SH_C0 = 0.28209479177387814  # the constant spherical harmonic, 1 / (2 sqrt(pi))


@dataclass(frozen=True, kw_only=True)
class GaussianScene:
    """N Gaussians in the parameters 3DGS optimises (Kerbl et al. 2023), z up, metres where the capture knows them.

    means [N, 3] m; quats [N, 4] wxyz (any length); log_scales [N, 3] ln m; opacity_logits [N]; sh [N, K, 3] with
    K = (degree + 1)^2, channel order RGB, colour = 0.5 + SH.
    """

    means: Tensor  # [N, 3]
    quats: Tensor  # [N, 4]
    log_scales: Tensor  # [N, 3]
    opacity_logits: Tensor  # [N]
    sh: Tensor  # [N, K, 3]

    def __len__(self) -> int:
        return len(self.means)

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
        return {name: getattr(self, name) for name in ("means", "quats", "log_scales", "opacity_logits", "sh")}

    def select(self, index: Tensor) -> GaussianScene:
        """The Gaussians of an index or boolean mask [M]."""
        return GaussianScene(**{name: tensor[index] for name, tensor in self.tensors().items()})

    def to(self, device: torch.device | str) -> GaussianScene:
        return GaussianScene(**{name: tensor.to(device) for name, tensor in self.tensors().items()})

    def detached(self) -> GaussianScene:
        return GaussianScene(**{name: tensor.detach() for name, tensor in self.tensors().items()})

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
