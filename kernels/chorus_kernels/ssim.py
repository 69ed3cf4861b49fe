"""Structural similarity of images."""

import functools

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from chorus_kernels import checks, dispatch, reference


@functools.cache
def gaussian_window(window: int, sigma: float, device: torch.device = checks.CPU) -> Tensor:  # [window], sums to 1
    x = torch.arange(window, dtype=torch.float64) - window // 2
    kernel = torch.exp(-(x**2) / (2 * sigma**2))
    return (kernel / kernel.sum()).float().to(device)


def ssim(a: Tensor, b: Tensor, *, window: int = 11, sigma: float = 1.5) -> Tensor:
    """Mean structural similarity of images [B, H, W, C] with values in 0..1 -> scalar.

    Gaussian window, "same" size with zero padding, constants 0.01^2 and 0.03^2: the convention of 3D Gaussian
    splatting. The mean is over all images, pixels and channels. Differentiable in `a` only; `b` is the target. On CUDA
    tensors torch's convolutions do the work.
    """
    device = checks.home(a)
    checks.tensor("ssim", "a", a, ("B", "H", "W", "C"), device=device)
    checks.tensor("ssim", "b", b, tuple(a.shape), device=device)
    if a.numel() == 0:
        raise ValueError(f"ssim: images must have at least one pixel, got shape {list(a.shape)}")
    if window < 1 or window % 2 == 0:
        raise ValueError(f"ssim: window must be a positive odd number, got {window}")
    checks.positive("ssim", sigma=sigma)
    if b.requires_grad and torch.is_grad_enabled():
        raise ValueError("ssim: b is the target and gets no gradient; pass b.detach()")
    kernel = gaussian_window(window, sigma, device)
    if dispatch.use_reference() or device != checks.CPU:
        return reference.ssim(a, b, kernel)
    return _Ssim.apply(a, b, kernel)


class _Ssim(torch.autograd.Function):
    @staticmethod
    def forward(ctx, a, b, kernel):
        a, b = a.detach(), b.detach()
        partials = torch.empty(3, *a.shape) if ctx.needs_input_grad[0] else None
        total = dispatch.native().ssim_forward(a, b, kernel, partials, dispatch.threads())
        if partials is not None:
            ctx.save_for_backward(a, b, kernel, partials)
        return torch.tensor(total / a.numel(), dtype=torch.float32)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        a, b, kernel, partials = ctx.saved_tensors
        out = torch.empty_like(a)
        dispatch.native().ssim_backward(a, b, kernel, partials, float(grad) / a.numel(), out, dispatch.threads())
        return out, None, None
