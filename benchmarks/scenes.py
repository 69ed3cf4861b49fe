"""The reference scene of the kernels: a room seen from inside."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from chorus_kernels import Views, curve_codes

ROOM = torch.tensor([6.0, 6.0, 3.0])  # metres
BALLS = torch.tensor(
    [[1.5, 4.0, 0.8, 0.6], [3.0, 4.5, 1.2, 0.8], [4.5, 4.0, 0.8, 0.6], [3.0, 3.5, 0.6, 0.4]]
)  # centre, radius
DISK = 1.22  # disk radius over spacing: about 53 blends a pixel


def room(n: int, *, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """means, quats, scales, opacities, colors: half of the n splats flat on the walls, half on four spheres.

    Disks as large as their spacing and a tenth as thick, opacity sigmoid(N(0.5, 1.5)), colours uniform.
    """
    g = torch.Generator().manual_seed(seed)
    on_walls, wall_normals, wall_area = _walls(n // 2, g)
    ball = torch.randint(0, len(BALLS), (n - n // 2,), generator=g)
    outward = functional.normalize(torch.randn(len(ball), 3, generator=g), dim=1)
    on_balls = BALLS[ball, :3] + BALLS[ball, 3:] * outward
    ball_area = 4 * math.pi * float(BALLS[:, 3].square().sum())
    spacing = torch.cat(
        [
            torch.full((n // 2,), math.sqrt(wall_area / (n // 2))),
            torch.full((len(ball),), math.sqrt(ball_area / len(ball))),
        ]
    )
    scales = DISK * spacing[:, None] * torch.tensor([1.0, 1.0, 0.1]) * torch.exp(0.1 * torch.randn(n, 3, generator=g))
    opacities = torch.sigmoid(0.5 + 1.5 * torch.randn(n, generator=g))
    quats = _facing(torch.cat([wall_normals, outward]))
    return torch.cat([on_walls, on_balls]), quats, scales, opacities, torch.rand(n, 3, generator=g)


def _walls(n: int, g: torch.Generator) -> tuple[Tensor, Tensor, float]:
    sides = torch.tensor([[axis, end] for axis in range(3) for end in range(2)])
    areas = ROOM.prod() / ROOM[sides[:, 0]]
    side = sides[torch.multinomial(areas, n, replacement=True, generator=g)]
    points = torch.rand(n, 3, generator=g) * ROOM
    rows = torch.arange(n)
    points[rows, side[:, 0]] = side[:, 1] * ROOM[side[:, 0]]
    return points, functional.one_hot(side[:, 0], 3).float(), float(areas.sum())


def _facing(normals: Tensor) -> Tensor:
    """Quaternions that turn z to the normals."""
    z = torch.tensor([0.0, 0.0, 1.0]).expand_as(normals)
    q = torch.cat([1 + normals[:, 2:], torch.linalg.cross(z, normals)], 1)
    return functional.normalize(
        torch.where(q.norm(dim=1, keepdim=True) < 1e-6, torch.tensor([0.0, 1.0, 0.0, 0.0]), q), dim=1
    )


def camera(size: int) -> Views:
    """A square view of 60 degrees from one wall to the other."""
    turn = torch.tensor([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])
    viewmat = torch.eye(4)
    viewmat[:3, :3], viewmat[:3, 3] = turn, -turn @ torch.tensor([3.0, 0.3, 1.5])
    f = 0.5 * size / math.tan(math.radians(30))
    K = torch.tensor([[f, 0, size / 2], [0, f, size / 2], [0, 0, 1]])
    return Views(viewmat[None], K[None], size, size)


def surface_voxels(n: int, *, seed: int = 0) -> Tensor:
    """n distinct voxels [n, 3] on the room's walls and balls, in Hilbert order as the encoder keeps them."""
    points = room(4 * n, seed=seed)[0]

    def distinct(size: float) -> Tensor:
        x, y, z = ((points / size).round().long() + 4).unbind(1)
        keys = torch.unique((x << 40) | (y << 20) | z)
        return torch.stack([keys >> 40, keys >> 20 & 0xFFFFF, keys & 0xFFFFF], 1)

    low, high = 0.01, 0.2
    for _ in range(8):  # the largest voxels that still leave n of them
        size = math.sqrt(low * high)
        low, high = (size, high) if len(distinct(size)) > n else (low, size)
    grid = distinct(low)
    grid = grid[torch.randperm(len(grid), generator=torch.Generator().manual_seed(seed))[:n]]
    return grid[curve_codes(grid, torch.zeros(len(grid), dtype=torch.int64), "hilbert").argsort()].contiguous()
