"""Masks: suppression against the quadratic algorithm, crops and pooling against slow literal versions, lifting in mask
space against full resolution."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from chorus.cameras import Cameras, look_at
from chorus.errors import InputError
from chorus.params import MaskParams
from chorus.scene import scene_from_colors
from chorus.splat.weights import scene_weights
from chorus.teachers import nms
from chorus.teachers.crops import crop_batch
from chorus.teachers.mask_lift import scene_mask_weights
from chorus.teachers.masks import MaskTargets, has_masks, label_map, mix, pool_masks
from chorus.teachers.nms import box_nms, concatenate, mask_nms, pack
from chorus_kernels import lift


def blobs(count: int, height: int, width: int, *, seed: int = 0, side: float = 0.3) -> np.ndarray:
    """[M, H, W] ellipses of many sizes and places."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    center = rng.random((count, 2)) * (height, width)
    radius = np.maximum(rng.random((count, 2)) ** 2 * side * (height, width), 1.0)
    return np.stack(
        [((y - c[0]) / r[0]) ** 2 + ((x - c[1]) / r[1]) ** 2 < 1 for c, r in zip(center, radius, strict=True)]
    )


def quadratic_nms(masks: np.ndarray, scores: np.ndarray, threshold: float) -> list[int]:
    kept: list[int] = []
    for i in sorted(range(len(masks)), key=lambda k: (-scores[k], k)):
        for k in kept:
            intersection = (masks[i] & masks[k]).sum()
            if intersection > threshold * ((masks[i] | masks[k]).sum()):
                break
        else:
            kept.append(i)
    return kept


@pytest.mark.parametrize("shape", [(5, 7), (64, 64), (33, 130)])
def test_packing_keeps_every_pixel(shape):
    masks = np.random.default_rng(0).random((9, *shape)) < 0.1
    masks[3] = False
    packed = pack(masks)
    assert (packed.unpack() == masks).all() and (packed.areas == masks.sum(axis=(1, 2))).all()
    for mask, (x1, y1, x2, y2) in zip(masks, packed.boxes, strict=True):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        assert [x1, y1, x2, y2] == ([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1] if len(rows) else [0, 0, 0, 0])
    both = concatenate([packed.select(np.arange(4)), packed.select(np.arange(4, 9))])
    assert (both.unpack() == masks).all()


@given(seed=st.integers(0, 10_000), threshold=st.floats(0.0, 0.95), count=st.integers(0, 40))
def test_mask_suppression_is_the_quadratic_algorithm(seed, threshold, count):
    masks = blobs(count, 24, 90, seed=seed) if count else np.zeros((0, 24, 90), bool)
    scores = np.random.default_rng(seed).integers(0, 10, count) / 10  # ties
    assert mask_nms(pack(masks), scores, threshold).tolist() == quadratic_nms(masks, scores, threshold)


@given(seed=st.integers(0, 10_000), threshold=st.floats(0.05, 0.95))
def test_box_suppression_is_the_operators(seed, threshold):
    from chorus.teachers.torchvision_shim import nms as operator

    rng = np.random.default_rng(seed)
    corner = rng.random((30, 2)) * 50
    boxes, scores = np.concatenate([corner, corner + rng.random((30, 2)) * 30], axis=1), rng.random(30)
    expected = operator(torch.from_numpy(boxes), torch.from_numpy(scores), threshold)
    assert box_nms(boxes, scores, threshold).tolist() == expected.tolist()


def test_thousands_of_masks_take_a_step_for_each_that_stays(monkeypatch):
    looked_at = []
    boxes = nms._box_intersections
    monkeypatch.setattr(nms, "_box_intersections", lambda *args: looked_at.append(args[1]) or boxes(*args))
    masks = pack(np.repeat(blobs(500, 240, 320, seed=3, side=0.2), 4, axis=0))
    kept = mask_nms(masks, np.random.default_rng(0).random(len(masks)), 0.7)
    assert len(masks) == 2000 and 100 < len(kept) <= 500
    assert looked_at == kept.tolist()


def test_crops_are_the_antialiased_resize_of_the_cut():
    image = torch.rand(50, 70, 3)
    boxes = torch.tensor([[0, 0, 70, 50], [3, 5, 9, 8], [60, 10, 70, 49], [7, 7, 8, 8]])
    masks = torch.rand(4, 50, 70) < 0.5
    for with_masks in (None, masks):
        crops = crop_batch(image, boxes, (24, 16), masks=with_masks)
        for i, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
            seen = image if with_masks is None else image * masks[i][..., None]
            cut = seen[y1:y2, x1:x2].permute(2, 0, 1)[None]
            expected = torch.nn.functional.interpolate(
                cut, (24, 16), mode="bilinear", antialias=True, align_corners=False
            )[0].permute(1, 2, 0)
            torch.testing.assert_close(crops[i], expected, rtol=1e-4, atol=1e-5)


def test_a_pixel_belongs_to_the_smallest_mask_that_covers_it():
    masks = np.zeros((4, 6, 8), bool)
    masks[0, :, :6] = True
    masks[1, 1:3, 1:3] = True
    masks[2, 0:4, 0:4] = True
    masks[3, 1:3, 1:3] = True  # as large as mask 1, and over it
    labels, visible = label_map(pack(masks))
    assert visible.tolist() == [0, 2, 3]
    assert (labels[:, 6:] == 0).all() and labels[1, 1] == 3 and labels[0, 0] == 2 and labels[5, 5] == 1


class Means:
    """An embedder whose numbers depend on every pixel."""

    dim = 6

    def __init__(self):
        self.map = torch.randn(3 * 16, 6, generator=torch.Generator().manual_seed(0))

    def embed(self, images):
        cells = torch.nn.functional.adaptive_avg_pool2d(images.permute(0, 3, 1, 2), 4).flatten(1)
        return torch.nn.functional.normalize(torch.sin(3 * cells @ self.map), dim=1)


def literal_pooling(teacher, image, masks, size):
    """The rule of `pool_masks`, one mask at a time."""
    f_g = teacher.embed(image[None])[0]
    found = []
    for mask in masks:
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        cut = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        black = image * torch.from_numpy(mask)[..., None]

        def resized(picture, cut=cut):
            return torch.nn.functional.interpolate(
                picture[cut].permute(2, 0, 1)[None], size, mode="bilinear", antialias=True
            )[0].permute(1, 2, 0)

        f_l, f_m = teacher.embed(resized(image)[None])[0], teacher.embed(resized(black)[None])[0]
        d = float(f_l @ f_m)
        local = d * f_m + (1 - d) * f_l
        found.append((f_l, f_m, d, local / local.norm()))
    exponent = torch.tensor([float(local @ f_g) for *_, local in found]).exp()
    result = []
    for (f_l, f_m, d, _), e in zip(found, exponent, strict=True):
        w = float(e / exponent.sum())
        mixed = w * f_g + (1 - w) * d * f_m + (1 - w) * (1 - d) * f_l
        result.append(mixed / mixed.norm())
    return torch.stack(result)


def test_mask_pooling_is_the_slow_literal_version():
    image, masks = torch.rand(48, 64, 3), blobs(7, 48, 64, seed=5)
    vectors = pool_masks(Means(), image, pack(masks), size=(20, 20), batch=3)
    torch.testing.assert_close(vectors, literal_pooling(Means(), image, masks, (20, 20)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(7))
    assert pool_masks(Means(), image, pack(masks[:0]), size=(20, 20)).shape == (0, 6)
    alone = mix(torch.eye(3)[0], torch.eye(3)[1:2], torch.eye(3)[1:2])  # one mask: w = 1, the whole image
    torch.testing.assert_close(alone, torch.eye(3)[:1])


WIDTH, HEIGHT, VIEWS = 80, 48, 3


@pytest.fixture(scope="module")
def scene():
    generator = torch.Generator().manual_seed(0)
    n = 150
    means = torch.rand(n, 3, generator=generator) * 2 - 1
    means[-1] = 90.0  # out of every view
    quats, scales = torch.randn(n, 4, generator=generator), torch.rand(n, 3, generator=generator) * 0.15 + 0.03
    return scene_from_colors(
        means, quats, scales, torch.rand(n, generator=generator) * 0.9 + 0.05, torch.rand(n, 3, generator=generator)
    )


@pytest.fixture(scope="module")
def cameras():
    poses = np.stack([look_at((3 * np.cos(a), 3 * np.sin(a), 1.0), (0, 0, 0)) for a in (0.1, 1.3, 2.9)])
    K = np.tile(np.array([[60.0, 0, WIDTH / 2], [0, 60.0, HEIGHT / 2], [0, 0, 1]]), (VIEWS, 1, 1))
    return Cameras(K=K, cam_from_world=poses, width=WIDTH, height=HEIGHT)


@pytest.fixture(scope="module")
def targets():
    views = []
    for view, count in enumerate((6, 0, 9)):
        masks = blobs(count, HEIGHT, WIDTH, seed=view) if count else np.zeros((0, HEIGHT, WIDTH), bool)
        labels, visible = label_map(pack(masks))
        vectors = torch.randn(count, 5, generator=torch.Generator().manual_seed(view))[torch.from_numpy(visible)]
        views.append(MaskTargets(labels=torch.from_numpy(labels)[None], vectors=vectors.half()))
    return MaskTargets.concatenate(views)


def test_lifting_in_mask_space_is_lifting_the_full_resolution_map(scene, cameras, targets):
    weights = scene_mask_weights(scene, cameras, targets)
    assert weights.shape == (len(scene), len(targets.vectors))
    ours = lift(weights, targets.vectors.float()) / weights.total.clamp_min(1e-12)[:, None]
    pixels = scene_weights(scene, cameras, rows=HEIGHT, columns=WIDTH, footprint="box")  # W itself
    dense, masked = targets.dense().flatten(0, 2), (targets.labels > 0).reshape(-1, 1).float()
    total = lift(pixels, masked)
    expected = lift(pixels, dense) / total.clamp_min(1e-12)
    assert (total[:, 0] > 1e-3).sum() > 50
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(weights.total, total[:, 0], rtol=1e-5, atol=1e-5)
    assert weights.total[-1] == 0 and ours[-1].abs().max() == 0


def test_mask_files_read_like_a_patch_map_of_one_row(scene, cameras, targets, tmp_path):
    from chorus.teachers.compress import features_shape, load_features, save_features
    from chorus.teachers.lift import lifted

    path, weights = tmp_path / "lang.safetensors", scene_mask_weights(scene, cameras, targets)
    targets.save(path)
    save_features(tmp_path / "dino.safetensors", torch.randn(1, 2, 2, 4))
    assert has_masks(path) and not has_masks(tmp_path / "dino.safetensors")
    assert features_shape(path) == (1, 1, len(targets.vectors), 5) == tuple(load_features(path).shape)
    valid = weights.total > 1e-3
    expected = lift(weights, targets.vectors) / weights.total.clamp_min(1e-12)[:, None] * valid[:, None]
    torch.testing.assert_close(lifted([(slice(None), weights)], load_features(path), valid), expected)


def test_masks_of_other_images_are_refused(scene, cameras, targets):
    with pytest.raises(InputError, match="labels of shape"):
        scene_mask_weights(scene, cameras.select([0]), targets)


def test_mask_targets_come_back_from_disk_small(tmp_path, targets):
    path = tmp_path / "lang.safetensors"
    targets.save(path, teacher="x")
    again = MaskTargets.load(path)
    assert torch.equal(again.labels, targets.labels) and torch.equal(again.vectors, targets.vectors)
    assert path.stat().st_size < targets.labels.numel() / 2 and again.counts == targets.counts
    assert (targets.dense()[targets.labels == 0] == 0).all()
    targets.save(tmp_path / "again.safetensors", teacher="x")
    assert path.read_bytes() == (tmp_path / "again.safetensors").read_bytes()
    path.write_bytes(b"cut")
    with pytest.raises(InputError, match="mask targets"):
        MaskTargets.load(path)


def test_pixels_that_take_no_part_have_no_mask(targets, tmp_path):
    part = torch.rand(targets.labels.shape, generator=torch.Generator().manual_seed(0)) < 0.7
    part[targets.labels == int(targets.labels[2].max())] = False  # the last mask of a view goes, and one amid them
    part[targets.labels == 2] = False
    found = targets.within(part)
    assert len(found.vectors) == len(targets.vectors) - 2
    assert torch.equal(found.dense(), targets.dense() * part[..., None])
    found.save(tmp_path / "lang.safetensors")
    assert torch.equal(MaskTargets.load(tmp_path / "lang.safetensors").labels, found.labels)
    assert len(targets.within(torch.zeros_like(part)).vectors) == 0
    whole = targets.within(torch.ones(part.shape[0], 5, 7, dtype=torch.bool))
    assert torch.equal(whole.labels, targets.labels)


@pytest.fixture(scope="module")
def sam(tmp_path_factory):
    from chorus.teachers.foundation.sam import load_sam
    from chorus.teachers.foundation.standins import write_sam

    folder = tmp_path_factory.mktemp("sam")
    torch.manual_seed(2)
    write_sam(folder)
    return load_sam(folder)


PICTURE = torch.full((96, 128, 3), 0.5)
PICTURE[20:60, 10:60] = torch.tensor([0.9, 0.1, 0.1])
PICTURE[50:90, 70:120] = torch.tensor([0.1, 0.8, 0.2])


@pytest.mark.parametrize(("box", "area"), [(0.97, 0), (0.97, 20), (0.7, 0)])
def test_automatic_masks_are_segment_anythings(sam, box, area, monkeypatch):
    from segment_anything import SamAutomaticMaskGenerator, automatic_mask_generator

    from chorus.teachers.foundation.segment import SamMasks
    from chorus.teachers.torchvision_shim import nms

    monkeypatch.setattr(
        automatic_mask_generator,
        "batched_nms",
        lambda boxes, scores, categories, iou_threshold: nms(boxes, scores, iou_threshold),
    )
    params = MaskParams(points_per_side=5, pred_iou=0.7, stability=0.85, box_nms=box, mask_nms=1.0, min_area=area)
    ours = SamMasks(sam, params, device="cpu", points=7)(PICTURE)
    settings = {
        "pred_iou_thresh": 0.7,
        "stability_score_thresh": 0.85,
        "box_nms_thresh": box,
        "min_mask_region_area": area,
    }
    theirs = SamAutomaticMaskGenerator(sam, points_per_side=5, points_per_batch=7, crop_nms_thresh=0.0, **settings)
    expected = theirs.generate((PICTURE.numpy() * 255).round().astype(np.uint8))
    assert len(ours) == len(expected) >= (1 if box < 0.9 else 4)
    assert (ours.unpack() == np.stack([e["segmentation"] for e in expected])).all()
    tighter = SamMasks(sam, MaskParams(**{**vars(params), "mask_nms": 0.3}), device="cpu", points=7)(PICTURE)
    assert len(tighter) <= len(ours)
