"""Language teachers against open_clip itself, on tiny models of its classes saved as they are released."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from chorus.errors import ChorusError, InputError, MissingError
from chorus.teachers.base import LanguageTeacher
from chorus.teachers.foundation.loading import hub_id
from chorus.teachers.foundation.siglip import load_open_clip
from chorus.teachers.foundation.standins import write_open_clip

import timm  # isort: skip - after the torchvision shim

CLIP = {"image_size": 32, "layers": 3, "width": 64, "patch_size": 8}


def timm_tower(name: str, pool: str, **more) -> dict:
    return {
        "timm_model_name": name,
        "timm_model_pretrained": False,
        "timm_pool": pool,
        "timm_proj": None,
        "image_size": 160,
        **more,
    }


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    made = {}

    def make(key: str, vision: dict | None = None, **options):
        if key not in made:
            folder = tmp_path_factory.mktemp(key)
            torch.manual_seed(0)
            write_open_clip(folder, vision=vision, **options)
            made[key] = load_open_clip(folder, name=key, device="cpu")
        return made[key]

    return make


@pytest.fixture(scope="module")
def images():
    coarse = torch.rand(2, 3, 5, 6, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.interpolate(coarse, (120, 144), mode="bicubic").clamp(0, 1).permute(0, 2, 3, 1)


def test_siglip_speaks_the_protocol(load, images):
    teacher = load("siglip")
    assert isinstance(teacher, LanguageTeacher) and teacher.role == "lang"
    features = teacher.features(images)
    assert features.shape == (2, *teacher.patch_grid(120, 144), teacher.dim) and features.dtype == torch.float32
    assert not features.requires_grad and not features.is_inference()
    assert features.flatten(1, 2).std(dim=1).mean() > 0.05  # patches differ


def test_siglip_patches_are_the_towers_own_head_on_one_patch(load, images):
    teacher = load("siglip")
    trunk, head = teacher.net.visual.trunk, teacher.net.visual.head
    pixels = torch.rand(1, 3, 160, 160) * 2 - 1
    tokens = trunk.forward_features(pixels)[:, trunk.num_prefix_tokens :]
    dense = teacher.patches(pixels).flatten(1, 2)
    for place in (0, 37, 99):
        alone = head(trunk.attn_pool(tokens[:, place : place + 1]))
        torch.testing.assert_close(dense[:, place], alone, rtol=1e-4, atol=1e-5)
    whole = head(trunk.forward_head(trunk.forward_features(pixels)))
    torch.testing.assert_close(whole, teacher.net.encode_image(pixels), rtol=1e-4, atol=1e-5)


def test_an_image_of_one_patch_gives_the_librarys_embedding(tmp_path):
    write_open_clip(tmp_path)
    teacher = load_open_clip(tmp_path, name="one", device="cpu")
    sizes = {"img_size": 16, "patch_size": 16, "embed_dim": 96, "depth": 2, "num_heads": 3, "num_classes": 0}
    teacher.net.visual.trunk = timm.models.VisionTransformer(
        **sizes, class_token=False, global_pool="map"
    ).eval()  # as in SigLIP
    teacher.net.visual.image_size = 16
    teacher = type(teacher)(teacher.net, None, name="one", device="cpu")
    image = torch.rand(3, 16, 16, 3)
    expected = torch.nn.functional.normalize(teacher.net.encode_image(image.permute(0, 3, 1, 2) * 2 - 1), dim=-1)
    assert teacher.patch_grid(16, 16) == (1, 1)
    torch.testing.assert_close(
        torch.nn.functional.normalize(teacher.features(image)[:, 0, 0], dim=-1), expected, rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(teacher.embed(image), expected, rtol=1e-4, atol=1e-5)


def test_mean_pooled_towers_pool_to_the_librarys_embedding(load, images):
    teacher = load(
        "mobileclip", timm_tower("test_efficientnet", "avg"), hub_tokenizer=False
    )  # a convolutional tower, as MobileCLIP's
    pixels = torch.rand(2, 3, 160, 160) * 2 - 1
    dense = teacher.patches(pixels)
    torch.testing.assert_close(dense.mean(dim=(1, 2)), teacher.net.encode_image(pixels), rtol=1e-4, atol=1e-5)
    assert teacher.features(images).shape == (2, *teacher.patch_grid(120, 144), teacher.dim)


@pytest.mark.parametrize(("key", "name", "pool"), [("class", "test_vit", "token"), ("mean", "test_vit2", "avg")])
def test_towers_with_a_class_token(load, images, key, name, pool):
    teacher = load(key, timm_tower(name, pool), hub_tokenizer=False)
    features = teacher.features(images)
    assert features.shape == (2, 10, 10, teacher.dim) and features.flatten(1, 2).std(dim=1).mean() > 1e-3


def test_clip_patches_are_the_value_path_of_the_last_block(load, images):
    teacher = load("clip", CLIP, hub_tokenizer=False, custom=False)
    visual = teacher.net.visual
    pixels = torch.rand(2, 3, 32, 32) * 2 - 1
    x = visual._embeds(pixels)
    for block in visual.transformer.resblocks[:-1]:
        x = block(x)
    last = visual.transformer.resblocks[-1]
    width = x.shape[-1]
    value = last.ln_1(x) @ last.attn.in_proj_weight[2 * width :].T + last.attn.in_proj_bias[2 * width :]
    x = x + last.attn.out_proj(value)
    x = x + last.mlp(last.ln_2(x))
    expected = (visual.ln_post(x) @ visual.proj)[:, 1:]
    torch.testing.assert_close(teacher.patches(pixels).flatten(1, 2), expected, rtol=1e-4, atol=1e-5)


def test_text_is_the_librarys_and_any_batch_size(load):
    teacher = load("siglip")
    prompts = ["this is a chair", "this is a piano", "window"]
    text = teacher.text(prompts)
    expected = teacher.net.encode_text(teacher._tokenizer(prompts), normalize=True)
    torch.testing.assert_close(text, expected.detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(text.norm(dim=1), torch.ones(3))
    assert teacher._tokenizer(prompts).shape == (3, 64)
    torch.testing.assert_close(teacher.text(prompts * 100)[:3], text, rtol=1e-4, atol=1e-5)


def test_pixels_are_the_librarys_preprocessing(load, images):
    import open_clip

    teacher = load("siglip")
    preprocess = open_clip.image_transform(
        160, is_train=False, mean=teacher.mean, std=teacher.std, resize_mode="squash", interpolation="bicubic"
    )
    picture = Image.fromarray((images[0].numpy() * 255).round().astype(np.uint8))
    from chorus.teachers.foundation.pixels import to_pixels

    ours = to_pixels(torch.from_numpy(np.array(picture))[None] / 255, (160, 160), mean=teacher.mean, std=teacher.std)[0]
    assert (ours - preprocess(picture)).abs().max() < 2.5 / 127.5  # rounding to bytes on their side


def test_names_of_open_clip_become_hub_repositories():
    assert hub_id("MobileCLIP-S2:datacompdr") == "apple/MobileCLIP-S2-OpenCLIP"
    assert hub_id("ViT-B-16:openai").startswith("timm/")
    assert hub_id("siglip2") is None
    with pytest.raises(MissingError, match="openai"):
        hub_id("ViT-B-16:nothing")


def test_absent_and_broken_folders_say_what_to_do(tmp_path):
    with pytest.raises(MissingError, match=r"open_clip_config\.json.*embedded"):
        load_open_clip(tmp_path, name="siglip2")
    (tmp_path / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": {"embed_dim": 8, "vision_cfg": {}, "text_cfg": {}}})
    )
    with pytest.raises(MissingError, match="safetensors"):
        load_open_clip(tmp_path, name="siglip2")
    (tmp_path / "open_clip_model.safetensors").write_bytes(b"cut")
    with pytest.raises(ChorusError) as caught:
        load_open_clip(tmp_path, name="siglip2")
    assert "\n" not in str(caught.value)


def test_a_flat_image_is_refused(load):
    with pytest.raises(InputError, match="B, H, W, 3"):
        load("siglip").features(torch.rand(4, 3, 8, 8))
