import dataclasses
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from chorus.cameras import to_opengl
from chorus.errors import InputError
from chorus.params import CaptureParams
from chorus.sources import ingest, kind_of

PARAMS = CaptureParams(views=1, width=1, height=1, photo_long_side=160, rgbd_long_side=160, max_views=50)
# A rotation about x and a shift: real captures come in any frame.
TILT = np.array([[1, 0, 0, 5.0], [0, 0, -1, 2.0], [0, 1, 0, -3.0], [0, 0, 0, 1]])


def write_photos(folder, capture, **extra):
    (folder / "images").mkdir(parents=True)
    poses = to_opengl(capture.cameras.moved(TILT).cam_from_world)
    K = capture.cameras.K[0]
    spec = {
        "fl_x": K[0, 0],
        "fl_y": K[1, 1],
        "cx": K[0, 2],
        "cy": K[1, 2],
        "w": capture.cameras.width,
        "h": capture.cameras.height,
        **extra,
    }
    spec["frames"] = []
    for view, (image, pose) in enumerate(zip(capture.images, poses, strict=True)):
        Image.fromarray(image).save(folder / "images" / f"{view:03d}.png", compress_level=1)
        spec["frames"].append({"file_path": f"images/{view:03d}.png", "transform_matrix": pose.tolist()})
    (folder / "transforms.json").write_text(json.dumps(spec))
    return folder


def write_rgbd(folder, capture):
    folder.mkdir(parents=True, exist_ok=True)
    cameras = capture.cameras.moved(TILT)
    np.savetxt(folder / "camera-intrinsics.txt", cameras.K[0])
    for view, pose in enumerate(cameras.world_from_cam):
        Image.fromarray(capture.images[view]).save(folder / f"frame-{view:06d}.color.png", compress_level=1)
        Image.fromarray((capture.depth[view] * 1000).round().astype(np.uint16)).save(
            folder / f"frame-{view:06d}.depth.png", compress_level=1
        )
        np.savetxt(folder / f"frame-{view:06d}.pose.txt", pose)
    return folder


@pytest.fixture(scope="module")
def photos(sharp_room, tmp_path_factory):
    return write_photos(tmp_path_factory.mktemp("photos") / "room", sharp_room)


@pytest.fixture(scope="module")
def rgbd(sharp_room, tmp_path_factory):
    return write_rgbd(tmp_path_factory.mktemp("rgbd") / "room", sharp_room)


@pytest.fixture
def copied(tmp_path):
    return lambda folder: shutil.copytree(folder, tmp_path / "copy")


def edit(folder, **values):
    path = folder / "transforms.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_kinds(photos, rgbd, tmp_path):
    assert [kind_of(folder) for folder in (photos, rgbd, tmp_path)] == ["transforms", "rgbd", "unknown"]


def test_rgbd_room_stands_upright_on_its_floor(rgbd, sharp_room):
    capture = ingest(rgbd, PARAMS)
    assert len(capture) == 16 and capture.frame.label == "m" and capture.info["skipped"] == {}
    up = (
        capture.cameras.cam_from_world[:, :3, 2] - sharp_room.cameras.cam_from_world[:, :3, 2]
    )  # the world's z in each camera
    assert np.abs(up).max() < 0.02
    assert np.abs(capture.cameras.positions[:, 2] - 1.3).max() < 0.05  # cameras hang 1.3 m above the floor
    assert np.abs(capture.cameras.positions[:, :2].mean(axis=0)).max() < 0.3
    known = capture.depth > 0
    assert known.mean() > 0.9 and np.median(np.abs(capture.depth - sharp_room.depth)[known]) < 0.01


def test_photos_are_triangulated_and_upright(photos, sharp_room):
    capture = ingest(photos, PARAMS)
    assert (
        capture.frame.label == "units"
        and len(capture.points) > 100
        and len(capture.point_colors) == len(capture.points)
    )
    up = capture.cameras.cam_from_world[:, :3, 2] - sharp_room.cameras.cam_from_world[:, :3, 2]
    assert np.abs(up).max() < 0.2  # by the cameras alone, which look mostly down in this room
    distance = np.linalg.norm(capture.points[None] - capture.cameras.positions[:, None], axis=-1)
    assert abs(np.median(distance) - 2.0) < 0.05


def test_distortion_is_undone(sharp_room, tmp_path):
    """An image bent by the lens comes back straight: compare with the room seen by the camera we are told."""
    import cv2

    K = sharp_room.cameras.K[0] - np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
    lens = np.array([0.08, -0.02, 0.001, -0.001])
    columns, rows = np.meshgrid(np.arange(160.0), np.arange(120.0))
    straight = (
        cv2.undistortPoints(np.stack([columns, rows], axis=-1).reshape(-1, 1, 2), K, lens, P=K)
        .reshape(120, 160, 2)
        .astype(np.float32)
    )
    bent = np.stack(
        [
            cv2.remap(image, straight[..., 0], straight[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
            for image in sharp_room.images
        ]
    )
    names = dict(zip(("k1", "k2", "p1", "p2"), lens.tolist(), strict=True))
    capture = ingest(write_photos(tmp_path / "bent", dataclasses.replace(sharp_room, images=bent), **names), PARAMS)
    map_to = np.linalg.inv(capture.cameras.K[0])
    pixels = np.stack([columns + 0.5, rows + 0.5, np.ones_like(rows)], axis=-1) @ (sharp_room.cameras.K[0] @ map_to).T
    expected = cv2.remap(
        sharp_room.images[0], *(pixels[..., i].astype(np.float32) - 0.5 for i in (0, 1)), cv2.INTER_LINEAR
    )
    assert np.abs(capture.images[0].astype(int) - expected)[10:-10, 10:-10].mean() < 4
    assert np.abs(sharp_room.images[0].astype(int) - expected)[10:-10, 10:-10].mean() > 6


def test_photos_are_scaled_down(photos):
    capture = ingest(photos, dataclasses.replace(PARAMS, photo_long_side=80))
    assert capture.images.shape[1:3] == (60, 80) and abs(capture.cameras.K[0, 0, 0] - 0.4 * 80) < 1e-6


def test_many_frames_are_thinned(rgbd, photos):
    few = dataclasses.replace(PARAMS, max_views=12)
    assert len(ingest(rgbd, few)) == 12 and len(ingest(photos, few)) == 12


def test_camera_angle_and_frame_intrinsics(photos, copied):
    folder = copied(photos)
    spec = json.loads((folder / "transforms.json").read_text())
    focal = spec.pop("fl_x")
    del spec["fl_y"]
    spec["camera_angle_x"] = 2 * np.arctan(80 / focal)
    spec["frames"][0]["fl_x"] = 2 * focal
    for frame in spec["frames"]:
        frame["file_path"] = frame["file_path"].removesuffix(".png")
    (folder / "transforms.json").write_text(json.dumps(spec))
    K = ingest(folder, PARAMS).cameras.K
    assert np.allclose(K[1:, [0, 1], [0, 1]], focal) and np.allclose(K[0, [0, 1], [0, 1]], 2 * focal)


def test_absent_and_unreadable_photos_are_counted(photos, copied):
    folder = copied(photos)
    (folder / "images" / "001.png").unlink()
    (folder / "images" / "002.png").write_bytes(b"no image")
    (folder / "images" / "003.png").write_bytes((photos / "images" / "003.png").read_bytes()[:2000])
    capture = ingest(folder, PARAMS)
    assert len(capture) == 13 and capture.info["skipped"] == {"photos absent": 1, "photos unreadable": 2}


def test_mostly_absent_photos_are_an_error(photos, copied):
    folder = copied(photos)
    for view in range(12):
        (folder / "images" / f"{view:03d}.png").unlink()
    with pytest.raises(InputError, match=r"4 of 16 \(12 with photos absent\)"):
        ingest(folder, PARAMS)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"frames": []}, "no poses"),
        ({"frames": [{"file_path": "images/000.png"}]}, "no matrix as pose"),
        ({"frames": [{"file_path": "images/000.png", "transform_matrix": (np.eye(4) * 3).tolist()}]}, "rigid"),
        ({"frames": [{"file_path": "images/000.png", "transform_matrix": "x"}]}, "numbers"),
        ({"frames": [{"transform_matrix": np.eye(4).tolist()}]}, "file_path"),
        ({"w": 120, "h": 160}, "120x160"),
        ({"fl_x": None, "fl_y": None}, "camera_angle_x"),
        ({"w": float("inf")}, "numbers as intrinsics"),
        ({"fl_x": 10**400}, "numbers as intrinsics"),
        ({"frames": [{"file_path": "images/000.png", "transform_matrix": [[10**400] * 4] * 4}]}, "numbers"),
    ],
)
def test_bad_transforms(photos, copied, values, message):
    folder = copied(photos)
    edit(folder, **values)
    with pytest.raises(InputError, match=message) as caught:
        ingest(folder, PARAMS)
    assert "\n" not in str(caught.value)


def test_transforms_that_are_no_json(photos, copied):
    folder = copied(photos)
    (folder / "transforms.json").write_text("{")
    with pytest.raises(InputError, match="transforms.json"):
        ingest(folder, PARAMS)


def test_folders_of_no_known_kind(tmp_path):
    with pytest.raises(InputError, match="empty folder"):
        ingest(tmp_path, PARAMS)
    with pytest.raises(InputError, match="nothing there"):
        ingest(tmp_path / "absent", PARAMS)
    (tmp_path / "notes.txt").write_text("x")
    for path in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(InputError, match="none of them"):
            ingest(path, PARAMS)


def test_unknown_depth_and_lost_frames(rgbd, copied):
    folder = copied(rgbd)
    np.savetxt(folder / "frame-000001.pose.txt", np.full((4, 4), np.nan))
    (folder / "frame-000002.pose.txt").unlink()
    (folder / "frame-000003.depth.png").write_bytes(b"no image")
    (folder / "frame-000004.depth.png").unlink()
    Image.fromarray(np.full((120, 160), 65535, np.uint16)).save(folder / "frame-000005.depth.png")
    capture = ingest(folder, PARAMS)
    assert len(capture) == 12 and capture.info["skipped"] == {
        "a pose that is not finite": 1,
        "no readable pose": 1,
        "files unreadable": 2,
    }
    assert (capture.depth[1] == 0).all() and np.isfinite(capture.depth).all()


def test_float_depth_with_nan(rgbd, copied):
    folder = copied(rgbd)
    for path in sorted(folder.glob("*.depth.png")):
        depth = np.array(Image.open(path)).astype(np.float32)
        depth[:60] = np.nan
        Image.fromarray(depth).save(path.with_suffix(".tiff"))
        path.with_suffix(".tiff").rename(path)  # PNG cannot hold floats; PIL reads what it finds
    capture = ingest(folder, PARAMS)
    assert np.isfinite(capture.depth).all() and 0.3 < (capture.depth > 0).mean() < 0.7


def test_depth_of_another_size(rgbd, copied, sharp_room):
    folder = copied(rgbd)
    for path in folder.glob("*.depth.png"):
        with Image.open(path) as image:
            half = np.array(image)[::2, ::2]
        Image.fromarray(half).save(path)
    capture = ingest(folder, PARAMS)
    known = capture.depth > 0
    assert known.mean() > 0.85 and np.median(np.abs(capture.depth - sharp_room.depth)[known]) < 0.03


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("camera-intrinsics.txt", "1 2 x", "camera-intrinsics.txt"),
        ("camera-intrinsics.txt", "0 0 0\n0 0 0\n0 0 1", "positive focal"),
        ("camera-intrinsics.txt", None, "fx 0 cx"),
    ],
)
def test_bad_intrinsics(rgbd, copied, name, content, message):
    folder = copied(rgbd)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(InputError, match=message):
        ingest(folder, PARAMS)


def test_no_pose_at_all(rgbd, copied):
    folder = copied(rgbd)
    for path in folder.glob("*.pose.txt"):
        path.unlink()
    with pytest.raises(InputError, match="0 of 16 .16 with no readable pose"):
        ingest(folder, PARAMS)


def test_scannet_layout(rgbd, tmp_path):
    for name, suffix in (("color", ".color.png"), ("depth", ".depth.png"), ("pose", ".pose.txt")):
        (tmp_path / name).mkdir()
        for view in range(16):
            shutil.copy(rgbd / f"frame-{view:06d}{suffix}", tmp_path / name / f"{view}.{suffix.split('.')[-1]}")
    (tmp_path / "intrinsic").mkdir()
    K = np.eye(4)
    K[:3, :3] = np.loadtxt(rgbd / "camera-intrinsics.txt")
    for which in ("color", "depth"):
        np.savetxt(tmp_path / "intrinsic" / f"intrinsic_{which}.txt", K)
    capture = ingest(tmp_path, PARAMS)
    reference = ingest(rgbd, PARAMS)
    assert len(capture) == 16 and np.allclose(capture.cameras.positions, reference.cameras.positions, atol=1e-3)
