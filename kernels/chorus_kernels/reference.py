"""The torch twin of every op: short, slow, differentiable, any float dtype. What the native code is tested against."""

import torch
from torch import Tensor
from torch.nn import functional

from chorus_kernels.checks import CPU
from chorus_kernels.results import Rasterized
from chorus_kernels.views import Views

ALPHA_MIN, ALPHA_MAX, T_MIN = 1 / 255, 0.999, 1e-4


def rotation_matrices(quats: Tensor) -> Tensor:  # [N, 4] wxyz -> [N, 3, 3]
    """Rotation of each quaternion, normalised first."""
    w, x, y, z = functional.normalize(quats, dim=-1).unbind(-1)
    rows = (
        1 - 2 * (y * y + z * z),
        2 * (x * y - w * z),
        2 * (x * z + w * y),
        2 * (x * y + w * z),
        1 - 2 * (x * x + z * z),
        2 * (y * z - w * x),
        2 * (x * z - w * y),
        2 * (y * z + w * x),
        1 - 2 * (x * x + y * y),
    )
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def spherical_harmonics(degree: int, directions: Tensor, coefficients: Tensor) -> Tensor:
    """Colour [N, 3] of unit directions [N, 3] and coefficients [N, K, 3], before the offset of 0.5 (order and signs of
    3DGS)."""
    x, y, z = directions.unbind(-1)
    basis = [torch.full_like(x, 0.28209479177387814)]
    if degree > 0:
        basis += [-0.4886025119029199 * y, 0.4886025119029199 * z, -0.4886025119029199 * x]
    if degree > 1:
        basis += [
            1.0925484305920792 * x * y,
            -1.0925484305920792 * y * z,
            0.31539156525252005 * (2 * z * z - x * x - y * y),
            -1.0925484305920792 * x * z,
            0.5462742152960396 * (x * x - y * y),
        ]
    if degree > 2:
        basis += [
            -0.5900435899266435 * y * (3 * x * x - y * y),
            2.890611442640554 * x * y * z,
            -0.4570457994644658 * y * (4 * z * z - x * x - y * y),
            0.3731763325901154 * z * (2 * z * z - 3 * x * x - 3 * y * y),
            -0.4570457994644658 * x * (4 * z * z - x * x - y * y),
            1.445305721320277 * z * (x * x - y * y),
            -0.5900435899266435 * x * (x * x - 3 * y * y),
        ]
    basis_t = torch.stack(basis, -1)
    return torch.einsum("nk,nkc->nc", basis_t, coefficients[:, : basis_t.shape[1]])


def project(
    means: Tensor, quats: Tensor, scales: Tensor, view: Views, *, eps2d: float = 0.3
) -> tuple[Tensor, Tensor, Tensor]:
    """EWA projection to one view: image means [N, 2], covariances [N, 2, 2] with blur, depths [N]."""
    viewmat, K, width, height = view.viewmats[0], view.Ks[0], view.width, view.height
    cam = means @ viewmat[:3, :3].T + viewmat[:3, 3]
    z = cam[:, 2]
    fx, fy, cx, cy = K[0, 0], K[1, 1], K[0, 2], K[1, 2]
    safe = torch.where(z.abs() < 1e-12, torch.full_like(z, 1e-12), z)
    ax, ay = cam[:, 0] / safe, cam[:, 1] / safe
    mx, my = 0.15 * width / fx, 0.15 * height / fy
    tx = safe * torch.minimum((width - cx) / fx + mx, torch.maximum(-cx / fx - mx, ax))
    ty = safe * torch.minimum((height - cy) / fy + my, torch.maximum(-cy / fy - my, ay))
    zero = torch.zeros_like(z)
    J = torch.stack([fx / safe, zero, -fx * tx / safe**2, zero, fy / safe, -fy * ty / safe**2], -1).unflatten(
        -1, (2, 3)
    )
    M = J @ viewmat[:3, :3] @ rotation_matrices(quats) * scales[:, None, :]
    covariance = M @ M.mT + eps2d * torch.eye(2, dtype=means.dtype, device=means.device)
    return torch.stack([fx * ax + cx, fy * ay + cy], -1), covariance, z


def blend_weights(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    view: Views,
    *,
    eps2d: float = 0.3,
    pixels: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Every weight of one view, densely: w [P, N] (columns in depth order), that order [N], depths [N] in that order.

    `pixels` [P] chooses pixels by row-major index; default all of them.
    """
    mean2d, covariance, depth = project(means, quats, scales, view, eps2d=eps2d)
    ahead = (depth >= view.near_plane) & (depth <= view.far_plane)
    order = torch.argsort(depth.detach(), stable=True)
    order = order[ahead[order]]
    inverse = torch.linalg.inv(covariance[order])
    at = torch.arange(view.width * view.height, device=means.device) if pixels is None else pixels
    centers = torch.stack([at % view.width, at // view.width], -1).to(means.dtype) + 0.5
    d = centers[:, None] - mean2d[order]  # [P, N, 2]
    power = 0.5 * torch.einsum("pni,nij,pnj->pn", d, inverse, d)
    alpha = (opacities[order] * torch.exp(-power)).clamp(max=ALPHA_MAX)
    alpha = torch.where(alpha >= ALPHA_MIN, alpha, torch.zeros_like(alpha))
    after = torch.cumprod(1 - alpha, dim=1)
    before = torch.cat([torch.ones_like(after[:, :1]), after[:, :-1]], 1)[:, : alpha.shape[1]]
    alive = (after > T_MIN).detach()  # the splat that would end the pixel is not blended, nor any behind it
    return torch.where(alive, before * alpha, torch.zeros_like(alpha)), order, depth[order]


def _view_colors(means: Tensor, colors: Tensor, viewmat: Tensor, sh_degree: int | None) -> Tensor:
    if sh_degree is None:
        return colors
    eye = -viewmat[:3, :3].T @ viewmat[:3, 3]
    return (spherical_harmonics(sh_degree, functional.normalize(means - eye, dim=-1), colors) + 0.5).clamp(min=0)


def rasterize(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    colors: Tensor,
    views: Views,
    *,
    backgrounds: Tensor | None = None,
    sh_degree: int | None = None,
    eps2d: float = 0.3,
    absgrad: Tensor | None = None,
) -> Rasterized:
    """Twin of `chorus_kernels.rasterize`, over all pixels and splats at once; does not fill `absgrad`."""
    if absgrad is not None:
        raise NotImplementedError("rasterize: absgrad needs the native build; unset CHORUS_KERNELS=reference")
    rgb, depths, alphas, radii = [], [], [], []
    for v, view in enumerate(views):
        w, order, z = blend_weights(means, quats, scales, opacities, view, eps2d=eps2d)
        alpha = w.sum(1)
        image = w @ _view_colors(means, colors, view.viewmats[0], sh_degree)[order]
        if backgrounds is not None:
            image = image + (1 - alpha)[:, None] * backgrounds[v]
        rgb.append(image.unflatten(0, (view.height, view.width)))
        depths.append((w @ z).view(view.height, view.width))
        alphas.append(alpha.view(view.height, view.width))
        radii.append(_radii(means, quats, scales, opacities, view, eps2d))
    return Rasterized(torch.stack(rgb), torch.stack(depths), torch.stack(alphas), torch.stack(radii))


@torch.no_grad()
def _radii(
    means: Tensor, quats: Tensor, scales: Tensor, opacities: Tensor, view: Views, eps2d: float
) -> Tensor:  # [N] int32
    mean2d, covariance, z = project(means, quats, scales, view, eps2d=eps2d)
    reach = torch.sqrt(2 * torch.log(opacities.clamp(min=ALPHA_MIN) * 255))
    half = torch.ceil(reach[:, None] * torch.diagonal(covariance, dim1=1, dim2=2).sqrt())
    inside = ((mean2d + half > 0) & (mean2d - half < mean2d.new_tensor([view.width, view.height]))).all(1)
    seen = inside & (z >= view.near_plane) & (z <= view.far_plane) & (opacities >= ALPHA_MIN)
    return torch.where(seen, half.amax(1), torch.zeros_like(z)).to(torch.int32)


def upsampled(maps: Tensor, *, height: int, width: int, footprint: str) -> Tensor:
    """Patch maps [K, rows, cols] -> [K, height, width], as torch's interpolate does."""
    mode, corners = ("bilinear", False) if footprint == "bilinear" else ("nearest", None)
    return functional.interpolate(maps[:, None], size=(height, width), mode=mode, align_corners=corners)[:, 0]


def upsampling(
    rows: int,
    cols: int,
    *,
    height: int,
    width: int,
    footprint: str,
    dtype: torch.dtype = torch.float32,
    device: torch.device = CPU,
) -> Tensor:
    """B [height * width, rows * cols]: every one-hot patch map, upsampled.

    Which patch is the nearest depends on the type in torch, by its rounding; here it is float32's in every type.
    """
    made = dtype if footprint == "bilinear" else torch.float32
    one_hot = torch.eye(rows * cols, dtype=made, device=device).view(-1, rows, cols)
    return upsampled(one_hot, height=height, width=width, footprint=footprint).flatten(1).T.to(dtype)


def patch_weights(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    views: Views,
    *,
    patch_rows: int,
    patch_cols: int,
    footprint: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Twin of `chorus_kernels.patch_weights`: indptr, indices, values, total, coverage."""
    kind = {"footprint": footprint, "dtype": means.dtype, "device": means.device}
    up = upsampling(patch_rows, patch_cols, height=views.height, width=views.width, **kind)
    blocks = []
    for view in views:
        w, order, _ = blend_weights(means, quats, scales, opacities, view)
        blocks.append(means.new_zeros(means.shape[0], up.shape[1]).index_copy(0, order, w.T @ up))
    dense = torch.cat(blocks, 1) if blocks else means.new_zeros(means.shape[0], 0)
    row, column = dense.nonzero(as_tuple=True)
    indptr = torch.cat([row.new_zeros(1), torch.bincount(row, minlength=len(dense)).cumsum(0)])
    return indptr, column.to(torch.int32), dense[row, column], dense.sum(1), dense.sum(0)


def spmm(indptr: Tensor, indices: Tensor, values: Tensor, dense: Tensor) -> Tensor:
    """CSR times dense, in the dtype of `values`."""
    rows = torch.arange(indptr.shape[0] - 1, device=indptr.device)
    rows = torch.repeat_interleave(rows, indptr.diff(), output_size=values.shape[0])
    out = values.new_zeros(indptr.shape[0] - 1, dense.shape[1])
    return out.index_add(0, rows, values[:, None] * dense.to(values.dtype)[indices.long()])


def neighbors(grid: Tensor, batch: Tensor) -> Tensor:
    """Twin of `chorus_kernels.neighbors` by sort and binary search, for coordinates below 2^19."""
    if not len(grid):
        return torch.empty(27, 0, dtype=torch.int32, device=grid.device)
    low = grid.min(0).values.long() - 1
    g, size = grid.long() - low, (grid.max(0).values.long() - low + 2).tolist()

    def keys(x: Tensor) -> Tensor:
        return ((batch * size[0] + x[:, 0]) * size[1] + x[:, 1]) * size[2] + x[:, 2]

    ordered, rows = torch.sort(keys(g))
    if (ordered.diff() == 0).any():
        raise ValueError("neighbors: voxels must be unique; pool them first")
    table = torch.empty(27, grid.shape[0], dtype=torch.int32, device=grid.device)
    for k in range(27):
        want = keys(g + torch.tensor([k // 9 - 1, k // 3 % 3 - 1, k % 3 - 1], device=grid.device))
        at = torch.searchsorted(ordered, want).clamp(max=len(ordered) - 1)
        table[k] = torch.where(ordered[at] == want, rows[at], -1)
    return table


def submanifold_conv(feat: Tensor, weight: Tensor, table: Tensor, bias: Tensor | None = None) -> Tensor:
    """Twin of `chorus_kernels.submanifold_conv`: gather, matrix product, scatter for each offset."""
    matrices = weight.reshape(weight.shape[0], 27, -1)
    out = feat.new_zeros(feat.shape[0], weight.shape[0])
    for k in range(27):
        rows = (table[k] >= 0).nonzero()[:, 0]
        out = out.index_add(0, rows, feat[table[k, rows].long()] @ matrices[:, k].T)
    return out if bias is None else out + bias


def window_attention(qkv: Tensor, rows: Tensor, *, unread: Tensor | None = None, keys: Tensor | None = None) -> Tensor:
    """Twin of `chorus_kernels.window_attention`, window by window."""
    answers, places = [qkv[:0, 0]], [rows.new_empty(0)]
    for w, window in enumerate(rows):
        count = len(window) if keys is None else int(keys[w])
        q, k, v = qkv[window[:count]].permute(1, 2, 0, 3)  # [H, K, 16]
        y = ((q @ k.mT) / qkv.shape[-1] ** 0.5).softmax(-1) @ v
        read = torch.ones_like(window[:count], dtype=torch.bool) if unread is None else ~unread[w, :count]
        answers.append(y.transpose(0, 1)[read])
        places.append(window[:count][read])
    return torch.zeros_like(qkv[:, 0]).index_copy(0, torch.cat(places), torch.cat(answers))


def curve_codes(grid: Tensor, batch: Tensor, order: str, depth: int) -> Tensor:
    """Twin of `chorus_kernels.curve_codes`, bit by bit."""
    x = grid.long()
    axes = [x[:, 1], x[:, 0], x[:, 2]] if order.endswith("-trans") else [x[:, 0], x[:, 1], x[:, 2]]
    if order.startswith("hilbert"):
        for b in range(depth - 1, 0, -1):
            lower = (1 << b) - 1
            for i in range(3):
                bit = (axes[i] >> b & 1).bool()
                swap = torch.where(bit, 0, (axes[0] ^ axes[i]) & lower)
                axes[0] = torch.where(bit, axes[0] ^ lower, axes[0]) ^ swap
                axes[i] = axes[0] if i == 0 else axes[i] ^ swap
    code = torch.zeros_like(batch)
    for b in range(depth):
        for i in range(3):
            code |= (axes[i] >> b & 1) << (3 * b + 2 - i)
    if order.startswith("hilbert"):
        for shift in (1, 2, 4, 8, 16, 32):
            code ^= code >> shift
    return batch << (3 * depth) | code


def decode_rows(data: Tensor, wide: int, order: Tensor, scales: Tensor, axes: int, rows: int) -> Tensor:
    """Twin of `chorus_kernels.decode_rows`, bit by bit."""
    count = len(data) - wide
    folded = data[:count].int()
    folded[:wide] |= data[count:].int() << 8
    codes = ((folded >> 1) ^ -(folded & 1)).float()
    c, start = torch.zeros(rows, axes), 0
    for run in order.tolist():
        level, axis = divmod(run, axes)
        first = 1 << (level - 1) if level else 0
        length = max(1, first)
        c[first : first + length, axis] = codes[start : start + length] * scales[level]
        start += length
    x = c[:1]
    while len(x) < rows:
        difference = c[len(x) : 2 * len(x)]
        x = torch.stack([x + difference, x - difference], dim=1).flatten(0, 1)
    return x


def segment_reduce(x: Tensor, indptr: Tensor, reduce: str) -> Tensor:
    """Twin of `chorus_kernels.segment_reduce`, segment by segment."""
    parts = []
    for a, b in zip(indptr[:-1].tolist(), indptr[1:].tolist(), strict=True):
        rows = x[a:b]
        if reduce == "max":
            parts.append(rows.gather(0, rows.detach().argmax(0)[None])[0])
        else:
            parts.append(rows.sum(0) / (max(1, b - a) if reduce == "mean" else 1))
    return torch.stack(parts) if parts else x.new_zeros(0, x.shape[1])


def ssim(a: Tensor, b: Tensor, kernel: Tensor) -> Tensor:
    """Twin of `chorus_kernels.ssim` with torch's convolutions."""
    c, half = a.shape[-1], len(kernel) // 2
    k = kernel.to(a.dtype)

    def blur(x: Tensor) -> Tensor:
        x = functional.conv2d(x, k.view(1, 1, -1, 1).expand(c, 1, -1, 1), padding=(half, 0), groups=c)
        return functional.conv2d(x, k.view(1, 1, 1, -1).expand(c, 1, 1, -1), padding=(0, half), groups=c)

    a, b = a.permute(0, 3, 1, 2), b.permute(0, 3, 1, 2)
    ma, mb = blur(a), blur(b)
    saa, sbb, sab = blur(a * a) - ma * ma, blur(b * b) - mb * mb, blur(a * b) - ma * mb
    top = (2 * ma * mb + 0.01**2) * (2 * sab + 0.03**2)
    return (top / ((ma * ma + mb * mb + 0.01**2) * (saa + sbb + 0.03**2))).mean()
