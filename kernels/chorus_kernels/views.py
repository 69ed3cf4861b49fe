"""The cameras an op renders for."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from chorus_kernels import checks


@dataclass(frozen=True, eq=False)
class Views:
    """V pinhole cameras of one image size, in gsplat's conventions; Gaussians outside near_plane <= z <= far_plane are
    not drawn. Lengths in the scene's unit.

    On the CPU or on a CUDA device, where values are trusted; float64 is for the torch twins. Raises ValueError for
    wrong dtypes, shapes, devices and strides, skew, focal lengths, sizes or planes that are not positive.
    """

    viewmats: Tensor  # [V, 4, 4] cam_from_world, OpenCV axes
    Ks: Tensor  # [V, 3, 3] pixels of the image, also where patches are asked for
    width: int
    height: int
    near_plane: float = 0.01
    far_plane: float = 1e10

    def __post_init__(self) -> None:
        op, device = "Views", checks.home(self.viewmats)
        checks.tensor(op, "viewmats", self.viewmats, ("V", 4, 4), dtypes=(torch.float32, torch.float64), device=device)
        checks.tensor(op, "Ks", self.Ks, (len(self), 3, 3), dtypes=(self.viewmats.dtype,), device=device)
        checks.image(op, self.width, self.height)
        checks.positive(op, near_plane=self.near_plane, far_plane=self.far_plane)
        if device != checks.CPU:  # moved there by us: to read their values would be to wait for the card
            return
        for (fx, skew, _), (_, fy, _), _ in self.Ks.tolist():
            if skew != 0:
                raise ValueError(f"{op}: Ks must have no skew (K[0, 1] = 0), got {skew:g}")
            if not (fx > 0 and fy > 0):
                raise ValueError(f"{op}: Ks must have positive focal lengths, got {fx:g} and {fy:g}")

    def __len__(self) -> int:
        return self.viewmats.shape[0]

    def __iter__(self) -> Iterator["Views"]:
        """One view at a time."""
        return (self[v : v + 1] for v in range(len(self)))

    def __getitem__(self, which: slice) -> "Views":
        return replace(self, viewmats=self.viewmats[which], Ks=self.Ks[which])

    def to(self, target: torch.device | str | torch.dtype) -> "Views":
        """The same on another device, or in another type."""
        return replace(self, viewmats=self.viewmats.to(target), Ks=self.Ks.to(target))

    def check(self, op: str, device: torch.device) -> None:
        """Raises ValueError unless the cameras are float32 on the device."""
        checks.tensor(op, "viewmats", self.viewmats, (None, 4, 4), device=device)
        checks.tensor(op, "Ks", self.Ks, (None, 3, 3), device=device)
