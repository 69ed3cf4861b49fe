import torch

from chorus.teachers.embedded.augment import _mirrored, _zoom, augment, quantize


def pair(height=64, width=96):
    ramp = torch.linspace(0, 1, width).expand(height, width)
    image = torch.stack([ramp, ramp.flip(1), torch.full_like(ramp, 0.5)], dim=-1)
    label = (ramp * 1000).long()[..., None]
    return image, label


def test_same_seed_same_batch_and_every_view_its_own():
    image, label = pair()
    images, labels = image.expand(6, -1, -1, -1), label.expand(6, -1, -1, -1)
    first, second = (augment(images, labels, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])
    assert first[0].shape == images.shape and first[1].shape == labels.shape
    assert 0 <= first[0].min() and first[0].max() <= 1
    assert len({float(view.sum()) for view in first[0]}) == 6


def test_labels_move_with_the_pixels():
    image, label = pair()
    for zoom, flip in ((1.0, False), (1.0, True), (1.6, False), (1.6, True), (0.8, False)):
        moved, labels = _zoom(image, label, zoom=zoom, across=0.3, down=0.9, flip=flip)
        assert (moved[0] * 1000 - labels[..., 0]).abs().max() < 1000 / 64


def test_mirrored_indices():
    assert _mirrored(torch.tensor([-2, -1, 0, 3, 4, 5]), 4).tolist() == [1, 0, 0, 3, 3, 2]


def test_fine_quantization_changes_nothing_coarse_loses_detail():
    x = torch.rand(3, 16, 24, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(quantize(x, step=1e-5), x, atol=1e-3, rtol=0)
    assert (quantize(x, step=0.5) - x).abs().mean() > 0.05
    assert quantize(x[:, :15], step=0.5) is not None and torch.equal(quantize(x[:, :15], step=0.5), x[:, :15])
