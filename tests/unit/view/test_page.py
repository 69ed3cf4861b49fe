"""What a page holds, read back without a browser."""

import base64
import gzip
import json
import re

import numpy as np
import pytest

from chorus.errors import InputError
from chorus.scene import scene_from_colors
from chorus.view.named import NamedScene
from chorus.view.page import page_words, write_page
from chorus.view.session import Session
from tests.unit.view.test_session import Heights, named  # noqa: F401  a fixture


def held(path) -> tuple[dict, dict[str, np.ndarray]]:
    text = path.read_text()
    head = json.loads(re.search(r'<script id="head"[^>]*>(.*?)</script>', text, re.S)[1])
    blob = gzip.decompress(base64.b64decode(re.search(r'<script id="data"[^>]*>(.*?)</script>', text, re.S)[1]))
    arrays = {
        a["name"]: np.frombuffer(blob, "<" + a["type"], count=a["length"], offset=a["offset"]) for a in head["arrays"]
    }
    return head, arrays


def test_a_page_holds_the_scene_to_its_quantisation(named, tmp_path):  # noqa: F811
    session = Session(named, Heights())
    head, arrays = held(write_page(tmp_path / "room.html", session, words=["Zebra"]))
    scene = session.scene
    np.testing.assert_array_equal(arrays["means"].reshape(-1, 3), scene.means.numpy())
    scales = head["scale"][0] + arrays["scales"] / 255 * head["scale"][1]
    np.testing.assert_allclose(scales.reshape(-1, 3), scene.log_scales.numpy(), atol=head["scale"][1] / 500 + 1e-6)
    np.testing.assert_allclose(arrays["opacities"] / 255, scene.opacities.numpy(), atol=0.003)
    assert head["words"][0] == "zebra" and "chair" in head["words"] and head["count"] == 550
    assert {one["name"] for one in head["objects"]} == {"chair", "lamp"}


def test_the_same_scene_gives_the_same_bytes(named, tmp_path):  # noqa: F811
    a, b = (write_page(tmp_path / f"{i}.html", Session(named, Heights())) for i in range(2))
    assert a.read_bytes() == b.read_bytes()


def test_names_cannot_end_the_script(named, tmp_path):  # noqa: F811
    named = NamedScene("</script><b>{{head}}", named.gaussians, None)
    text = write_page(tmp_path / "room.html", Session(named, Heights()), words=["</script>"]).read_text()
    assert text.count("</script>") == 3 and "&lt;/script&gt;&lt;b&gt;" in text


def test_too_many_words_are_a_line():
    with pytest.raises(InputError, match="at most 5000 words"):
        page_words([f"word {i}" for i in range(6000)])


def test_a_room_of_the_demo_is_small(named, tmp_path):  # noqa: F811
    """12,000 Gaussians: at most 6 MB, bundle and all."""
    import torch

    draw = torch.Generator().manual_seed(0)
    n = 12_000
    scene = scene_from_colors(
        torch.rand(n, 3, generator=draw) * torch.tensor([4.0, 3, 2.5]),
        torch.randn(n, 4, generator=draw),
        torch.rand(n, 3, generator=draw) * 0.1 + 0.01,
        torch.rand(n, generator=draw) * 0.9 + 0.05,
        torch.rand(n, 3, generator=draw),
    )
    path = write_page(tmp_path / "room.html", Session(NamedScene("room", scene, None), Heights()))
    assert path.stat().st_size < 6e6
