import math

import torch

from chorus.distill.losses import contrastive_loss, match_loss


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
