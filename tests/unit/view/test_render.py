"""Pictures: the right things in the right places."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from chorus.cameras import Cameras, look_at
from chorus.capture import Capture
from chorus.scene import scene_from_colors
from chorus.view import ask, query, render
from tests.unit.view.sayings import said_of


@pytest.fixture(scope="module")
def room():
    """4 x 2 x 2 m: grey floor, blue ceiling, a red blob at (3.2, 0.4)."""
    rng = np.random.default_rng(0)
    flat = np.stack(np.meshgrid(np.linspace(0, 4, 41), np.linspace(0, 2, 21)), -1).reshape(-1, 2)
    floor = np.concatenate([flat, np.zeros((len(flat), 1))], 1)
    ceiling = floor + [0, 0, 2.0]
    blob = rng.normal(size=(80, 3)) * 0.06 + [3.2, 0.4, 0.3]
    means = np.concatenate([floor, ceiling, blob])
    rgb = np.repeat([[0.5, 0.5, 0.5], [0.1, 0.1, 0.9], [0.9, 0.1, 0.1]], [len(floor), len(floor), 80], axis=0)
    n = len(means)
    as_tensor = lambda x: torch.tensor(x, dtype=torch.float32)  # noqa: E731
    return scene_from_colors(
        as_tensor(means),
        torch.tensor([[1.0, 0, 0, 0]]).expand(n, 4),
        torch.full((n, 3), 0.05),
        torch.full((n,), 0.95),
        as_tensor(rgb),
    )


def test_from_above_the_ceiling_is_off_and_the_blob_where_it_stands(room):
    above, _ = render.views(room, room.rgb.numpy(), width=160, height=120)
    assert above.shape == (120, 160, 4)
    opaque = above[above[..., 3] > 200].astype(int)
    assert (opaque[:, 2] < 200).all()  # no blue
    red = np.argwhere((above[..., 0] > 150) & (above[..., 1] < 80) & (above[..., 3] > 200))
    row, col = red.mean(axis=0)
    assert col > 100 and row > 65  # x to the right, y upwards: a blob at high x and low y lies lower right


def test_a_long_room_lies_across_the_picture(room):
    turned = scene_from_colors(room.means[:, [1, 0, 2]], room.quats, room.scales, room.opacities, room.rgb)
    for scene in (room, turned):
        above, _ = render.views(scene, scene.rgb.numpy(), width=160, height=120)
        rows, cols = np.nonzero(above[..., 3] > 200)
        assert np.ptp(cols) > 1.6 * np.ptp(rows)


def test_the_camera_inside_stands_in_free_space_and_looks_at_the_room(room):
    camera = render.inside_camera(room)
    eye = camera.positions[0]
    low, high = render.bounds(room)
    assert (eye > low).all() and (eye < high).all()
    assert np.linalg.norm(room.means.numpy() - eye, axis=1).min() > 0.3
    _, inside = render.views(room, room.rgb.numpy(), width=80, height=60)
    assert (inside[..., 3] > 200).mean() > 0.3


@pytest.mark.parametrize(("size", "shown"), [((30, 60), (30, 60)), ((80, 20), (80, 20)), ((320, 240), (80, 60))])
def test_a_picture_from_inside_is_never_stretched(room, size, shown):
    camera = render.inside_camera(room, width=size[0], height=size[1])
    _, inside = render.views(room, room.rgb.numpy(), inside=camera, width=80, height=60)
    left, top = (80 - shown[0]) // 2, (60 - shown[1]) // 2
    within = inside[top : top + shown[1], left : left + shown[0]]
    np.testing.assert_array_equal(within, render.render(room, room.rgb.numpy(), camera.resized(*shown))[0])
    assert inside[..., 3].sum() == within[..., 3].sum()  # nothing beside it


class Words:
    """Stands for a model: the red blob is the chair; of all other words it knows the wall and the piano."""

    config = SimpleNamespace(text="embedded")

    def encode(self, scene, *, outputs):
        assert outputs == ("lang",)
        chair = (scene.rgb[:, 0] > 0.7).float()
        self.lang = torch.stack([chair, 1 - chair, torch.zeros_like(chair), torch.zeros_like(chair)], 1)
        return self

    def text(self, prompts):
        places = {**said_of("chair", "wall", "piano"), "this is something to sit on": 0}
        return torch.eye(4)[[places.get(p, places.get(p.replace(" the ", " a "), 3)) for p in prompts]]


def test_asking_finds_the_blob_and_leaves_a_map_and_a_picture(room, tmp_path):
    search = ask.Search.of(room, Words())
    chair, piano = search.ask("a chair"), search.ask("a piano")
    np.testing.assert_allclose(chair.objects[0].position, [3.2, 0.4, 0.3], atol=0.05)
    assert piano.objects == [] and "nothing answers" in ask.table(piano)
    assert "0.30" in ask.table(chair) and ask.table(chair).endswith(" 80")
    ply, png = ask.save(chair, tmp_path / "new", name="room")
    assert ply.name == "room-a-chair.ply" and Image.open(png).size == (1288, 480)
    from chorus.io import read_scene

    np.testing.assert_allclose(read_scene(ply).rgb, query.heat(room, chair.score), atol=1e-3)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("something to sit on", True),  # the name in other words
        ("a red chair", True),
        ("a blue chair", False),
        ("a chair, not a wall", True),
        ("a chair, not something to sit on", False),
        ("a chair by the wall", True),
        ("a chair by the piano", False),  # there is none
    ],
)
def test_what_is_said_beyond_a_name_counts(room, words, found):
    answer = ask.Search.of(room, Words()).ask(words)
    assert bool(answer.objects) == found
    if found:
        np.testing.assert_allclose(answer.objects[0].position, [3.2, 0.4, 0.3], atol=0.05)


def test_the_view_of_an_object_faces_it_and_minds_what_stands_before_it():
    target, eye = np.array([[2.0, 0.0, 1.0]]), [0.0, 0.0, 1.0]
    poses = np.stack([look_at(eye, to) for to in ([-2.0, 0, 1], [1.0, 1.0, 1.0], [2.0, 0.1, 1.0], [2.0, 0.0, 1.0])])
    K = np.tile([[30.0, 0, 20], [0, 30, 15], [0, 0, 1]], (4, 1, 1))
    cameras = Cameras(K=K, cam_from_world=poses, width=40, height=30)
    capture = Capture(images=np.zeros((4, 30, 40, 3), np.uint8), cameras=cameras)
    np.testing.assert_array_equal(render.view_of(capture, target).cam_from_world[0], poses[3])
    depth = np.zeros((4, 30, 40), np.float32)
    depth[3] = 1.0  # a wall half way
    blocked = Capture(images=capture.images, cameras=cameras, depth=depth)
    np.testing.assert_array_equal(render.view_of(blocked, target).cam_from_world[0], poses[2])
