import math

import pytest
import torch

from chorus.distill.losses import contrastive_loss, match_in_blocks, match_loss
from chorus.encoder.heads import Head


def test_match_loss_is_the_literal_formula():
    draw = torch.Generator().manual_seed(0)
    p, f = torch.randn(2, 30, 7, generator=draw) * 2
    total = 0.0
    for a, b in zip(p.tolist(), f.tolist(), strict=True):
        dot = sum(x * y for x, y in zip(a, b, strict=True))
        cosine = dot / math.sqrt(sum(x * x for x in a)) / math.sqrt(sum(y * y for y in b))
        smooth = [0.5 * (x - y) ** 2 if abs(x - y) < 1 else abs(x - y) - 0.5 for x, y in zip(a, b, strict=True)]
        total += (1 - cosine) + sum(smooth) / len(smooth)
    assert math.isclose(float(match_loss(p, f)), total / 30, rel_tol=1e-5)
    assert float(match_loss(f, f)) < 1e-6


def test_contrastive_loss_is_the_literal_formula():
    features = torch.randn(260, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0] * 120 + [1] * 110 + [2] * 20 + [-1] * 10)
    found = float(contrastive_loss(features, labels, torch.Generator().manual_seed(3)))
    draw, halves = torch.Generator().manual_seed(3), []
    for rows in (torch.arange(120), torch.arange(120, 230)):
        rows = rows[torch.randperm(len(rows), generator=draw)]
        halves.append(
            [
                features[part].mean(0) / features[part].mean(0).norm()
                for part in (rows[: len(rows) // 2], rows[len(rows) // 2 :])
            ]
        )
    logits = [[float(a @ b) / 0.2 for _, b in halves] for a, _ in halves]
    rows = sum(math.log(sum(map(math.exp, row))) - row[i] for i, row in enumerate(logits)) / 2
    columns = sum(math.log(sum(math.exp(row[i]) for row in logits)) - logits[i][i] for i in range(2)) / 2
    assert math.isclose(found, (rows + columns) / 2, rel_tol=1e-5)


def test_contrastive_loss_needs_two_labels():
    assert float(contrastive_loss(torch.randn(120, 4), torch.zeros(120, dtype=torch.long), torch.Generator())) == 0.0


@pytest.mark.parametrize("block", [1, 7, 40, 1000, None])
def test_match_in_blocks_is_the_loss_of_the_whole(block):
    torch.manual_seed(0)
    head, upcast = Head(6, 24, 5), torch.randn(40, 6, requires_grad=True)
    place, targets = torch.randint(0, 33, (100,)), torch.randn(100, 5)  # some rows of upcast are never looked at
    leaves = [upcast, *head.parameters()]
    whole = match_loss(head(upcast)[place], targets)
    expected = torch.autograd.grad(whole, leaves)
    loss = match_in_blocks(head, upcast, place=place, target=lambda rows: targets[rows], block=block)
    torch.testing.assert_close(loss, whole)
    for found, known in zip(torch.autograd.grad(loss, leaves), expected, strict=True):
        torch.testing.assert_close(found, known, atol=1e-6, rtol=1e-4)


def test_match_in_blocks_keeps_no_hidden_row_for_the_backward_pass():
    head, upcast = Head(6, 400, 5), torch.randn(500, 6)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.numel()) or x, lambda x: x):
        targets = torch.randn(500, 5)
        match_in_blocks(head, upcast, place=torch.arange(500), target=lambda rows: targets[rows], block=50)
    assert max(kept, default=0) < 50 * 400
