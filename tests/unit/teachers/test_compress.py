"""Stored features: sizes, errors, and that nothing else changes between half and int8."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from chorus.errors import InputError, ParamsError
from chorus.teachers.compress import compress, features_shape, load_features, save_features


def smooth_features(views=6, rows=12, cols=16, channels=96, seed=0, decay=1.0):
    """[V, h, w, C] with a power-law spectrum around a mean, as image features have."""
    generator = torch.Generator().manual_seed(seed)
    coefficients = (
        torch.randn(views, rows, cols, channels, generator=generator) * torch.arange(1, channels + 1) ** -decay
    )
    basis = torch.linalg.qr(torch.randn(channels, channels, generator=generator))[0]
    return coefficients @ basis + torch.randn(channels, generator=generator)


@given(error=st.floats(0.005, 0.3), decay=st.floats(0.0, 2.0), seed=st.integers(0, 99))
def test_the_error_is_the_one_asked_for(error, decay, seed):
    features = smooth_features(decay=decay, seed=seed).flatten(0, 2)
    back = compress(features, error=error).expand()
    share = (back - features).square().sum() / (features - features.mean(dim=0)).square().sum()
    assert share < 1.15 * error


def test_smaller_steps_cost_more_and_err_less():
    features = smooth_features().flatten(0, 2)
    sizes, errors = [], []
    for error in (0.2, 0.05, 0.01):
        small = compress(features, error=error)
        sizes.append(sum(map(len, small.streams)))
        errors.append(float((small.expand() - features).square().mean()))
    assert sizes == sorted(sizes) and errors == sorted(errors, reverse=True)
    assert sizes[0] < features.numel() * 2 / 16  # a sixteenth of the halves


def test_averaged_patches_come_back_closer_than_single_ones():
    features = smooth_features(views=40).flatten(0, 2)
    small = compress(features, error=0.05)
    groups = torch.randint(0, 60, (len(features),), generator=torch.Generator().manual_seed(1))
    weights = torch.nn.functional.one_hot(groups, 60).float()
    weights = weights / weights.sum(dim=0)
    exact, lifted = weights.T @ features, weights.T @ small.expand()
    single = torch.nn.functional.cosine_similarity(small.expand(), features, dim=1).mean()
    mean = torch.nn.functional.cosine_similarity(lifted, exact, dim=1).mean()
    assert mean > 0.995 and 1 - mean < (1 - single) / 3
    torch.testing.assert_close(
        small.expand(weights.T @ small.codes.float()), lifted, rtol=1e-4, atol=1e-4
    )  # lifting codes, then expanding


@pytest.mark.parametrize("storage", ["half", "int8"])
def test_files_come_back(tmp_path, storage):
    features, path = smooth_features(), tmp_path / "dino.safetensors"
    save_features(path, features, storage=storage, error=0.02, teacher="dinov3")
    back = load_features(path)
    assert back.dtype == torch.float16 and back.shape == features.shape == features_shape(path)
    assert torch.nn.functional.cosine_similarity(back.float(), features, dim=-1).min() > 0.95
    expected = features.half() if storage == "half" else compress(features, error=0.02).expand().half()
    torch.testing.assert_close(back, expected)
    save_features(tmp_path / "again.safetensors", features, storage=storage, error=0.02, teacher="dinov3")
    assert path.read_bytes() == (tmp_path / "again.safetensors").read_bytes()
    if storage == "int8":
        assert path.stat().st_size < features.numel() * 2 / 5


def test_constant_and_tiny_inputs():
    constant = torch.full((2, 3, 4, 5), 2.5)
    torch.testing.assert_close(compress(constant, error=0.1).expand(), constant)
    one = torch.randn(1, 1, 1, 7)
    torch.testing.assert_close(compress(one, error=0.1).expand(), one, rtol=1e-3, atol=1e-3)


def test_wrong_settings_and_files_are_named(tmp_path):
    with pytest.raises(ParamsError, match="half or int8"):
        save_features(tmp_path / "x", torch.zeros(1, 1, 1, 2), storage="float8")
    with pytest.raises(ParamsError, match="between 0 and 1"):
        compress(torch.zeros(2, 2), error=0.0)
    (tmp_path / "cut.safetensors").write_bytes(b"cut")
    for read in (load_features, features_shape):
        with pytest.raises(InputError, match="patch features"):
            read(tmp_path / "cut.safetensors")
        with pytest.raises(InputError, match="absent"):
            read(tmp_path / "absent.safetensors")
