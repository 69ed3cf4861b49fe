"""DINO, PE and SAM teachers against their libraries, on tiny models of the released classes; windows, cache,
extraction."""

import threading

import pytest
import torch

from chorus.errors import ChorusError, InputError, MissingError, ParamsError
from chorus.teachers.base import Teacher
from chorus.teachers.extract import extract
from chorus.teachers.foundation.cache import CachedTeacher, prune
from chorus.teachers.foundation.dino import load_dino
from chorus.teachers.foundation.pe import load_perception
from chorus.teachers.foundation.pixels import to_pixels, whole_patches
from chorus.teachers.foundation.sam import SamTeacher, load_sam
from chorus.teachers.foundation.standins import write_dinov2, write_dinov3, write_perception, write_sam
from chorus.teachers.foundation.windows import WindowedTeacher


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    write_dinov3(root / "dinov3")
    write_dinov2(root / "dinov2")
    write_dinov2(root / "registers", registers=3)
    write_perception(root / "pe")
    write_sam(root / "sam")
    return root


@pytest.fixture(scope="module")
def dinov3(folder):
    return load_dino(folder / "dinov3", name="dinov3", device="cpu")


@pytest.fixture
def images():
    return torch.rand(2, 64, 96, 3, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize(("name", "drop", "patch"), [("dinov3", 5, 16), ("dinov2", 1, 14), ("registers", 4, 14)])
def test_dino_drops_class_and_register_tokens(folder, images, name, drop, patch):
    teacher = load_dino(folder / name, name=name, device="cpu")
    assert isinstance(teacher, Teacher) and teacher.role == "dino"
    rows, cols = teacher.patch_grid(64, 96)
    assert (rows, cols) == (round(64 / patch), round(96 / patch))
    pixels = to_pixels(images, (rows * patch, cols * patch), mean=teacher.mean, std=teacher.std)
    expected = teacher.net(pixel_values=pixels).last_hidden_state
    assert expected.shape[1] == drop + rows * cols
    torch.testing.assert_close(teacher.features(images).flatten(1, 2), expected[:, drop:])


def test_dino_reads_any_size_and_a_given_long_side(folder, dinov3):
    assert dinov3.features(torch.rand(1, 50, 130, 3)).shape == (1, 3, 8, dinov3.dim)
    large = load_dino(folder / "dinov3", name="dinov3", long_side=320, device="cpu")
    assert large.patch_grid(60, 80) == (15, 20)
    assert whole_patches(3, 1000, patch=16) == (16, 992)


def test_perception_patches_are_the_librarys_tokens(folder, images):
    teacher = load_perception(folder / "pe", name="pe", device="cpu")
    assert isinstance(teacher, Teacher) and teacher.role == "object" and teacher.dim == 36
    rows, cols = teacher.patch_grid(64, 96)
    pixels = to_pixels(images, (rows * 14, cols * 14), mean=teacher.mean, std=teacher.std)
    expected = teacher.net.forward_intermediates(pixels, indices=1, norm=True, intermediates_only=True)[0].permute(
        0, 2, 3, 1
    )
    torch.testing.assert_close(teacher.features(images), expected)
    square = to_pixels(torch.rand(1, 112, 112, 3), (112, 112), mean=teacher.mean, std=teacher.std)
    torch.testing.assert_close(
        teacher.patches(square).mean(dim=(1, 2)), teacher.net.forward_head(teacher.net.forward_features(square))
    )


@pytest.mark.parametrize("size", [(64, 96), (96, 64), (80, 80)])
def test_sam_features_are_the_encoders_without_padding(folder, size):
    sam = load_sam(folder / "sam")
    teacher = SamTeacher(sam, name="sam", device="cpu")
    image = torch.rand(1, *size, 3)
    rows, cols = teacher.patch_grid(*size)
    assert max(rows, cols) == 8 and teacher.features(image).shape == (1, rows, cols, 32)
    resized = torch.nn.functional.interpolate(
        image.permute(0, 3, 1, 2), (rows * 16, cols * 16), mode="bicubic", antialias=True
    ).clamp(0, 1)
    expected = sam.image_encoder(sam.preprocess(resized * 255))[:, :, :rows, :cols].permute(0, 2, 3, 1)
    torch.testing.assert_close(teacher.features(image), expected, rtol=1e-4, atol=1e-4)


def test_sam_sizes_are_read_off_the_released_checkpoints():
    from segment_anything import sam_model_registry

    from chorus.teachers.foundation.sam import build_sam

    with torch.device("meta"):
        for name in ("vit_b", "vit_l", "vit_h"):
            released = sam_model_registry[name]()
            built = build_sam(released.state_dict())
            assert {k: v.shape for k, v in built.state_dict().items()} == {
                k: v.shape for k, v in released.state_dict().items()
            }
            for ours, theirs in zip(built.image_encoder.blocks, released.image_encoder.blocks, strict=True):
                assert (ours.window_size, ours.attn.num_heads) == (theirs.window_size, theirs.attn.num_heads)


class Local:
    """A teacher whose patches see nothing but themselves: windows must not change it."""

    name, role, dim, fingerprint, settings = "local", "dino", 3, "x", {"cell": 8}

    def __init__(self):
        self.seen = 0

    def patch_grid(self, height, width):
        return height // 8, width // 8

    def features(self, images):
        self.seen += len(images)
        return torch.nn.functional.avg_pool2d(images.permute(0, 3, 1, 2), 8).permute(0, 2, 3, 1)


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.6])
@pytest.mark.parametrize("size", [(64, 96), (128, 40), (32, 32)])
def test_windows_of_a_local_teacher_change_nothing(overlap, size):
    images = torch.rand(2, *size, 3)
    windowed = WindowedTeacher(Local(), window=32, overlap=overlap)
    if min(size) < 32:
        pytest.skip("thinner than a window")
    assert windowed.patch_grid(*size) == Local().patch_grid(*size)
    torch.testing.assert_close(windowed.features(images), Local().features(images))


def test_windows_of_dino(dinov3):
    windowed = WindowedTeacher(dinov3, window=64, overlap=0.5)
    image = torch.rand(1, 64, 64, 3)
    torch.testing.assert_close(windowed.features(image), dinov3.features(image))
    wide = torch.rand(1, 64, 150, 3)
    assert windowed.features(wide).shape == (1, *windowed.patch_grid(64, 150), dinov3.dim) == (1, 4, 9, dinov3.dim)
    tall = torch.rand(1, 150, 40, 3)  # narrower than a window
    assert windowed.features(tall).shape[:3] == (1, *windowed.patch_grid(150, 40))
    with pytest.raises(ParamsError, match="overlap"):
        WindowedTeacher(dinov3, window=64, overlap=1.0)


def test_cache_never_computes_twice_and_never_reuses_what_is_stale(tmp_path, images):
    inner = Local()
    cached = CachedTeacher(inner, tmp_path, batch=1)
    first = cached.features(images)
    again = CachedTeacher(inner, tmp_path).features(images)
    assert inner.seen == 2 and torch.equal(first, again) and (cached.hits, cached.misses) == (0, 2)
    torch.testing.assert_close(first, inner.features(images), rtol=1e-3, atol=1e-3)
    inner.seen = 0
    CachedTeacher(inner, tmp_path).features(torch.cat([images[:1], images[1:] + 0.01]))
    assert inner.seen == 1  # another image
    inner.settings = {"cell": 9}
    CachedTeacher(inner, tmp_path).features(images)
    assert inner.seen == 3  # other settings
    inner.fingerprint = "y"
    CachedTeacher(inner, tmp_path).features(images)
    assert inner.seen == 5  # other weights


def test_cache_goes_on_after_a_killed_run_and_mends_cut_files(tmp_path):
    images = torch.rand(5, 16, 16, 3)

    class Dying(Local):
        def features(self, images):
            if self.seen >= 2:
                raise KeyboardInterrupt
            return super().features(images)

    with pytest.raises(KeyboardInterrupt):
        CachedTeacher(Dying(), tmp_path, batch=1).features(images)
    survivor = Local()
    cached = CachedTeacher(survivor, tmp_path, batch=2)
    features = cached.features(images)
    assert survivor.seen == 3 and cached.hits == 2
    cached.path(images[0]).write_bytes(b"cut")
    assert torch.equal(cached.features(images), features) and survivor.seen == 4
    assert prune(tmp_path, keep_gigabytes=0) == 5 and not list(tmp_path.rglob("*.safetensors"))


def test_extraction_reads_ahead_in_order_and_reports_time_left():
    images, reports = torch.rand(7, 16, 16, 3), []
    parts = list(
        extract({"dino": Local(), "object": Local()}, lambda views: images[views], 7, batch=3, report=reports.append)
    )
    assert [len(part["dino"]) for part in parts] == [3, 3, 1] and list(
        extract({"dino": Local()}, lambda views: images[views], 0)
    ) == []
    for role in ("dino", "object"):
        torch.testing.assert_close(torch.cat([part[role] for part in parts]), Local().features(images))
    assert reports[-1].done == 7 and reports[-1].left == 0 and "images" in str(reports[0])
    with pytest.raises(ZeroDivisionError):  # what breaks while reading ahead is raised here
        list(extract({"dino": Local()}, lambda views: images[views.start // (3 - views.start) :][:1], 7, batch=1))


def test_the_next_batch_is_made_while_the_teachers_look_at_this_one():
    reading, seen = threading.Event(), []

    class Waiting(Local):
        def features(self, images):
            seen.append(len(seen) == 1 or reading.wait(10))  # the first batch waits for the second to be begun
            return super().features(images)

    def read(views):
        if views.start:
            reading.set()
        return torch.rand(1, 16, 16, 3)

    assert len(list(extract({"dino": Waiting()}, read, 2, batch=1))) == 2 and seen == [True, True]


def test_absent_and_wrong_models_say_what_to_do(folder, tmp_path):
    with pytest.raises(MissingError, match=r"config\.json.*embedded"):
        load_dino(tmp_path, name="dinov3")
    with pytest.raises(InputError, match="dinov3_vit"):
        (tmp_path / "config.json").write_text('{"model_type": "bert"}')
        (tmp_path / "model.safetensors").write_bytes(b"")
        load_dino(tmp_path, name="dinov3")
    broken = tmp_path / "sam_vit_b.pth"
    broken.write_bytes(b"cut")
    with pytest.raises(ChorusError) as caught:
        load_sam(broken)
    assert "\n" not in str(caught.value) and "chorus teachers pull sam" in str(caught.value)
    torch.save({"other": torch.zeros(1)}, broken)
    with pytest.raises(InputError, match="segment-anything"):
        load_sam(broken)
