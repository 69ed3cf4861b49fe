"""The stand-in refuses and counts what a card would."""

import pytest
import torch

from tests.placement import standin

MIXES = {
    "a sum": lambda x: x + torch.ones(2, 3),
    "a sum in place": lambda x: torch.zeros(2, 3).add_(x),
    "a concatenation": lambda x: torch.cat([x, torch.zeros(1, 3)]),
    "rows by an index of the CPU": lambda x: x[torch.tensor([0, 1])],
    "rows of the CPU": lambda x: torch.ones(3)[x.long()[:, 0]],
    "a product": lambda x: x @ torch.ones(3, 2),
    "a generator of the CPU": lambda x: torch.rand(3, generator=torch.Generator(), device=x.device),
    "an array": lambda x: x.numpy(),
}


@pytest.mark.parametrize("mix", MIXES.values(), ids=MIXES.keys())
def test_a_mix_is_refused(device, mix):
    with pytest.raises((RuntimeError, TypeError)):
        mix(torch.arange(6, device=device).float().view(2, 3))


READS = {
    "item": lambda x: x.sum().item(),
    "bool": lambda x: bool((x > 0).any()),
    "list": lambda x: x.tolist(),
    "cpu": lambda x: x.cpu(),
    "nonzero": lambda x: x.nonzero(),
    "mask": lambda x: x[x > 2],
    "mask written": lambda x: x.index_put_((x > 2,), x.new_zeros(())),
    "unique": lambda x: torch.unique(x),
    "bincount": lambda x: torch.bincount(x.long().flatten()),
    "repeats": lambda x: torch.repeat_interleave(x[0], x[1].long()),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
def test_a_read_is_counted(device, read):
    x = torch.arange(6, device=device).float().view(2, 3)
    with standin.waits() as found:
        read(x)
    assert standin.host_reads(found) >= 1


def test_work_is_not_counted(device):
    x = torch.rand(4, 3, device=device, requires_grad=True)
    layer = torch.nn.Linear(3, 4).to(device)
    optimizer = torch.optim.AdamW(layer.parameters(), fused=True)
    with standin.waits() as found:
        for _ in range(3):
            layer(x).square().sum().backward()
            optimizer.step()
        x.detach()[1:, ::2].fill_(2.0)
        torch.repeat_interleave(x[0].detach(), torch.arange(3, device=device), output_size=3)
    assert standin.host_reads(found) == 0
    assert torch.equal(x.detach().cpu()[1:, ::2], torch.full((3, 2), 2.0))


def test_values_and_draws_are_the_cpus(device):
    draws = [torch.randn(9, generator=torch.Generator(where).manual_seed(3), device=where) for where in ("cpu", device)]
    assert torch.equal(draws[0], draws[1].cpu())
    torch.manual_seed(4)
    here = torch.rand(5, device=device).cpu()
    torch.manual_seed(4)
    assert torch.equal(here, torch.rand(5, device=device).cpu())
    image = torch.rand(1, 3, 8, 8)
    layer = torch.nn.Conv2d(3, 4, 3)
    expected = layer(image)
    torch.testing.assert_close(layer.to(device)(image.to(device)).cpu(), expected)
