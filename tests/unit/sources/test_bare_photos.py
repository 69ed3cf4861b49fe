"""Photos without poses and videos: the poses found beside the true ones."""

import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from chorus.errors import InputError
from chorus.sources import ingest, kind_of
from chorus.sources.sfm import find_poses
from chorus.sources.video import sharpest_frames
from tests.unit.sources.textured_room import PARAMS, differences, look, pinhole, shoot

RAYS = pinhole(320, 240, 240.0)


def arc(count=9):
    angles = np.linspace(-0.5, 0.5, count)
    return [look([1.8 * np.sin(a), 1.6 - 1.4 * np.cos(a), 1.3 + 0.2 * np.cos(2 * a)], [0.3, 2.5, 1.2]) for a in angles]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bare") / "room"
    folder.mkdir()
    for i, pose in enumerate(arc()):
        Image.fromarray(shoot(pose, RAYS)[0]).save(folder / f"{i:03d}.png")
    return folder


def test_poses_of_bare_photos(photos):
    pytest.importorskip("pycolmap")
    told = []
    capture = ingest(photos, PARAMS, report=lambda *step: told.append(step))
    off = differences(capture, arc())
    assert kind_of(photos) == "photos" and len(capture) == 9 and {step[0] for step in told} >= {"features", "matches"}
    assert off["centers"] < 0.03 and off["rotations"] < 2, off  # a textured wall of a few metres
    assert capture.frame.label == "units"
    assert "9 of 9 photos" in " ".join(capture.info["notes"]) and "scale unknown" in capture.info["notes"][0]


def test_the_same_photos_and_seed_give_the_same_poses(photos):
    pytest.importorskip("pycolmap")
    some = sorted(photos.iterdir())[:4]
    one, two = (find_poses(photos, some, in_time=False, seed=0).shots for _ in range(2))
    assert len(one) == 4
    assert all(np.array_equal(a.pose, b.pose) and a.lens == b.lens for a, b in zip(one, two, strict=True))


def test_photos_of_nothing_in_common(tmp_path):
    pytest.importorskip("pycolmap")
    draw = np.random.default_rng(0)
    for i in range(6):
        Image.fromarray(draw.integers(0, 255, (48, 64, 3), dtype=np.uint8)).resize((320, 240)).save(
            tmp_path / f"{i}.png"
        )
    with pytest.raises(InputError, match="photos that fit together.*0 of 6"):
        ingest(tmp_path, PARAMS)


def test_the_sharpest_frame_of_each_window(tmp_path):
    video = tmp_path / "walk.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 30, (320, 240))
    sharp = shoot(arc()[0], RAYS)[0][..., ::-1]
    for number in range(24):
        writer.write(np.ascontiguousarray(sharp) if number % 4 == 2 else cv2.GaussianBlur(sharp, (0, 0), 3))
    writer.release()
    paths, lost = sharpest_frames(video, tmp_path / "out", most=6)
    assert [int(path.stem) for path in paths] == [2, 6, 10, 14, 18, 22] and lost == ""
    assert kind_of(video) == "video"


@pytest.mark.parametrize(("codec", "name"), [("mp4v", "a.mp4"), ("MJPG", "a.avi"), ("VP80", "a.webm")])
@pytest.mark.parametrize(("start", "end"), [(0.45, 0.55), (0.3, 0.31)])
def test_a_video_goes_on_after_damage(tmp_path, codec, name, start, end):
    """What can be read on both sides is, and how much could not is said."""
    video, canvas = (
        tmp_path / name,
        cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (400, 500, 3), "u1"), (0, 0), 3),
    )
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*codec), 20.0, (320, 240))
    for at in range(120):
        writer.write(np.ascontiguousarray(canvas[at : at + 240, at : at + 320]))
    writer.release()
    content = bytearray(video.read_bytes())
    first, last = int(start * len(content)), int(end * len(content))
    content[first:last] = bytes(last - first)
    video.write_bytes(content)
    paths, said = sharpest_frames(video, tmp_path / "out", most=12)
    lost = int(said.split()[0]) if said else 0
    assert lost < 120 * (end - start) + 30  # up to the next frame that stands by itself
    assert (lost > 2) == (said != "") and said in ("", f"{lost} of the video's 120 frames could not be read")
    assert len(paths) >= 9
    if codec == "mp4v":
        assert int(paths[-1].stem) > 100  # far behind the damage
    if end - start > 0.05:
        assert lost


def test_a_video_with_next_to_nothing_left(tmp_path):
    video = tmp_path / "a.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*"MJPG"), 20.0, (64, 48))
    for _ in range(40):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    content = video.read_bytes()
    start = content.index(b"movi") + 2000
    video.write_bytes(content[:start] + bytes(len(content) - start))
    with pytest.raises(InputError, match="that can be read, of 40"):
        sharpest_frames(video, tmp_path / "out", most=6)


def test_a_video_that_is_none(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(InputError, match="a video of at least"):
        ingest(tmp_path / "a.mp4", PARAMS)


@pytest.mark.parametrize("says", [b"<GSpherical:Spherical>true</GSpherical:Spherical>", b"\0\0\0\x20sv3d"])
def test_a_video_that_says_it_is_a_panorama(tmp_path, says):
    film = b"\0\0\0\x10ftypisom\0\0\0\0" + (16).to_bytes(4, "big") + b"mdat" + bytes(8)
    (tmp_path / "a.mp4").write_bytes(film + (8 + len(says)).to_bytes(4, "big") + b"moov" + says)
    with pytest.raises(InputError, match="a spherical one, as its file says. Export a flat video first"):
        ingest(tmp_path / "a.mp4", PARAMS)


def test_what_lies_beside_bare_photos_is_told(photos, tmp_path):
    pytest.importorskip("pycolmap")
    folder = tmp_path / "room"
    (folder / "images").mkdir(parents=True)
    for path in sorted(photos.iterdir())[:6]:
        shutil.copy(path, folder / "images")
    Image.fromarray(np.zeros((60, 80, 3), np.uint8)).save(folder / "cover.png")  # one picture is no capture
    np.save(folder / "poses_bounds.npy", np.zeros((9, 17)))
    for name in ("900.heic", "000.dng"):  # the second is the raw of a photo that is there
        (folder / "images" / name).write_bytes(b"x")
    capture = ingest(folder, PARAMS)
    assert len(capture) == 6 and capture.info["skipped"] == {"photos in a format that is not read (.heic)": 1}
    assert "poses_bounds.npy is not read: poses were found from the photos" in capture.info["notes"]


def test_photos_of_a_deeper_folder_are_pointed_at(photos, tmp_path):
    shutil.copytree(photos, tmp_path / "DCIM" / "100APPLE")
    with pytest.raises(InputError, match="Name the folder that holds them: .*100APPLE"):
        ingest(tmp_path, PARAMS)
