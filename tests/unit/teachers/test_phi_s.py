import pytest
import torch

from chorus.errors import InputError
from chorus.teachers.phi_s import Channels, PhiS, hadamard_matrix, mixing_matrix


def sample(n: int, dim: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(dim, dim, generator=generator) * torch.linspace(0.1, 4, dim)
    return torch.randn(n, dim, generator=generator) @ mix + torch.linspace(-3, 3, dim)


@pytest.mark.parametrize("order", [1, 2, 4, 8, 12, 20, 28, 36, 52, 64, 100, 152, 244, 340, 384, 768, 1024, 1152])
def test_hadamard_orders(order):
    H = hadamard_matrix(order)
    assert set(H.unique().tolist()) <= {-1.0, 1.0}
    torch.testing.assert_close(H @ H.T, order * torch.eye(order, dtype=torch.float64))


def test_every_order_that_sylvester_and_paley_reach():
    def reached(n):
        fields = {p**k for p in range(3, 200, 2) if all(p % d for d in range(3, p, 2)) for k in range(1, 6)}
        return (
            n == 1
            or n - 1 in fields
            and n % 4 == 0
            or n // 2 - 1 in fields
            and n % 4 == 0
            or n % 2 == 0
            and reached(n // 2)
        )

    for order in range(1, 173):
        H = hadamard_matrix(order)
        assert (H is not None) == reached(order), order
        assert H is None or torch.equal(H @ H.T, order * torch.eye(order, dtype=torch.float64)), order


@pytest.mark.parametrize("order", [3, 5, 92, 150])
def test_other_orders_are_orthogonal_and_say_so(order):
    H, kind = mixing_matrix(order)
    assert kind == "random orthogonal"
    torch.testing.assert_close(H @ H.T, torch.eye(order, dtype=torch.float64))
    assert torch.equal(H, mixing_matrix(order)[0])


@pytest.mark.parametrize("dim", [12, 64])
def test_every_channel_gets_unit_variance_and_angles_stay(dim):
    x = sample(4000, dim)
    phi = PhiS.fit([x])
    z = phi.apply(x)
    torch.testing.assert_close(z.var(dim=0, unbiased=False), torch.ones(dim), atol=1e-3, rtol=0)
    torch.testing.assert_close(z.mean(dim=0), torch.zeros(dim), atol=1e-3, rtol=0)
    cosine = torch.nn.functional.cosine_similarity
    centered = x - phi.mean
    torch.testing.assert_close(cosine(z[:50], z[50:100]), cosine(centered[:50], centered[50:100]), atol=1e-4, rtol=0)


def test_plain_standardisation_divides_each_channel_by_its_own_deviation():
    x = sample(4000, 12)
    x[:, 3] = 2.0  # a channel that never varies is centred alone
    channels, nothing = Channels.fit([x]), Channels.none([(x, torch.ones(4000))])
    z = channels.apply(x)
    expected = torch.ones(12).index_fill(0, torch.tensor([3]), 0.0)
    torch.testing.assert_close(z.var(dim=0, unbiased=False), expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(z @ channels.back + channels.mean, x, atol=1e-4, rtol=0)
    torch.testing.assert_close((x - channels.mean) @ channels.into, z, atol=1e-4, rtol=0)
    assert torch.equal(nothing.apply(x), x) and torch.equal(nothing.back, torch.eye(12))


def test_invert_undoes_apply():
    x = sample(500, 20)
    phi = PhiS.fit([x])
    torch.testing.assert_close(phi.invert(phi.apply(x)), x, atol=1e-4, rtol=1e-4)


def test_streaming_equals_one_batch_and_weights_equal_repeats():
    x = sample(600, 12)
    whole = PhiS.fit([x])
    parts = PhiS.fit(x.split(97))
    torch.testing.assert_close(whole.mean, parts.mean)
    assert whole.scale == pytest.approx(parts.scale)
    weights = torch.arange(600) % 3
    repeated = PhiS.fit([x.repeat_interleave(weights, dim=0)])
    weighted = PhiS.fit([(x, weights)])
    torch.testing.assert_close(weighted.mean, repeated.mean)
    torch.testing.assert_close(weighted.rotation, repeated.rotation, atol=1e-4, rtol=1e-4)


def test_rank_deficient_features_survive():
    x = sample(300, 4) @ torch.randn(4, 12, generator=torch.Generator().manual_seed(1))
    phi = PhiS.fit([x])
    torch.testing.assert_close(phi.invert(phi.apply(x)), x, atol=1e-3, rtol=1e-3)


def test_saved_and_loaded_bit_for_bit(tmp_path):
    phi = PhiS.fit([sample(100, 12)])
    phi.save(tmp_path / "phi.safetensors")
    again = PhiS.load(tmp_path / "phi.safetensors")
    assert again.scale == phi.scale and again.mixing == phi.mixing
    assert torch.equal(again.rotation, phi.rotation) and torch.equal(again.mean, phi.mean)


def test_bad_input(tmp_path):
    with pytest.raises(InputError, match="none"):
        PhiS.fit([])
    with pytest.raises(InputError, match="NaN"):
        PhiS.fit([torch.full((3, 4), float("nan"))])
    with pytest.raises(InputError, match="constant"):
        PhiS.fit([torch.ones(5, 4)])
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    with pytest.raises(InputError, match="PHI-S file"):
        PhiS.load(tmp_path / "broken.safetensors")
