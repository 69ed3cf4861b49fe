"""Multi-head attention inside windows of rows."""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from chorus_kernels import checks, dispatch, reference

HEAD = 16  # channels a head


def window_attention(
    qkv: Tensor,  # [M, 3, H, 16]
    rows: Tensor,  # [W, K] int64
    *,
    unread: Tensor | None = None,  # [W, K] bool
    keys: Tensor | None = None,  # [W] int64
) -> Tensor:  # [M, H, 16]
    """softmax(q k^T / 4) v within every window: each of its rows attends to all of them.

    qkv holds queries, keys and values of M rows; window w is the rows `rows[w, :keys[w]]` (all K without `keys`). A row
    may stand in several windows and is answered by one: slots marked `unread` are keys and values only. No score matrix
    is ever in memory. Differentiable in qkv. Finite inputs give finite answers, whatever the scores: channels of
    queries and keys beyond 1e18 count as that; a NaN stays a NaN. On CUDA tensors torch does the work.
    """
    op = "window_attention"
    device = checks.home(qkv)
    checks.tensor(op, "qkv", qkv, ("M", 3, "H", HEAD), device=device)
    checks.tensor(op, "rows", rows, ("W", "K"), dtypes=(torch.int64,), device=device)
    if unread is not None:
        checks.tensor(op, "unread", unread, tuple(rows.shape), dtypes=(torch.bool,), device=device)
    if keys is not None:
        checks.tensor(op, "keys", keys, (rows.shape[0],), dtypes=(torch.int64,), device=device)
    if dispatch.use_reference() or device != checks.CPU:
        return reference.window_attention(qkv, rows, unread=unread, keys=keys)
    marks = None if unread is None else unread.view(torch.uint8)
    problem = dispatch.native().check_windows(rows, marks, keys, qkv.shape[0])
    if problem:
        raise ValueError(f"{op}: {problem}")
    return _WindowAttention.apply(qkv, rows, marks, keys)


class _WindowAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx, qkv, rows, unread, keys):
        qkv = qkv.detach()
        out = torch.empty(qkv.shape[0], qkv.shape[2], HEAD)
        logsum = torch.empty(out.shape[:2]) if ctx.needs_input_grad[0] else None
        dispatch.native().attention(qkv, rows, unread, keys, out, logsum, dispatch.threads())
        ctx.save_for_backward(qkv, rows, unread, keys, out, logsum)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        qkv, rows, unread, keys, out, logsum = ctx.saved_tensors
        qkv_grad = torch.empty_like(qkv)
        dispatch.native().attention_backward(
            qkv, rows, unread, keys, out, logsum, grad.contiguous(), qkv_grad, dispatch.threads()
        )
        return qkv_grad, None, None, None
