import cv2
import numpy as np
import torch

from benchmarks.encoder import agreement, measure, model_of
from benchmarks.house import captured_room, drawn_room, house
from benchmarks.operations import operations, product_rate
from chorus.encoder.curves import build_pyramid
from chorus.encoder.inputs import voxelize


def test_a_house_is_rooms_side_by_side():
    room = drawn_room(500)
    found = house(1700, room)
    size = room.means.amax(dim=0) - room.means.amin(dim=0)
    assert len(found) == 1700
    torch.testing.assert_close(found.means[:500], room.means, atol=0.06, rtol=0)
    torch.testing.assert_close(
        found.means[500:1000] - room.means, torch.tensor([float(size[0]) + 0.3, 0, 0]).expand(500, 3), atol=0.06, rtol=0
    )
    assert torch.equal(found.sh[500:1000], room.sh)


def test_a_run_is_measured_in_memory_and_to_files():
    scene = house(600, drawn_room(300))
    for files, outputs in ((False, ("tokens", "upcast")), (True, ("lang", "upcast"))):
        found = measure(scene, "tiny", outputs, files, 1, 10**6)
        assert (found.gaussians, found.voxels) == (600, len(voxelize(scene, model_of("tiny", ()).config.inputs)))
        assert found.seconds > 0
        assert found.peak > 0.05


def test_tiles_and_one_piece_are_compared():
    tiles, mean, low = agreement(house(3000, drawn_room(1000)), "tiny", max_rows=1500)
    assert tiles > 1
    assert 0.98 <= low <= mean < 1


def test_operations_are_counted():
    """One level, one block, two voxels beside each other, one window of two rows."""
    config = model_of("tiny", ()).config.encoder
    config = type(config)(in_channels=11, channels=(4,), depths=(1,), heads=(1,), window=8)
    pyramid = build_pyramid(
        torch.tensor([[0, 0, 0], [0, 0, 1]]), torch.tensor([2]), depths=(1,), window=8, orders=("z",)
    )
    found = operations(pyramid, config)
    assert found["convolution"] == 2 * 16 * 4  # each voxel reads itself and the other
    assert found["attention"] == 4 * 2 * 2 * 4  # scores and their products with values
    assert found["dense layers"] == 2 * 2 * 11 * 4 + 2 * 2 * 16 * (1 + 3 + 1 + 8)
    assert product_rate(64, 1) > 0


def test_a_captured_room_is_unprojected_pixels(tmp_path):
    """Three 7-Scenes frames of a wall two metres ahead."""
    draw = np.random.default_rng(0)
    np.savetxt(tmp_path / "camera-intrinsics.txt", [[500, 0, 320], [0, 500, 240], [0, 0, 1]])
    for number in range(3):
        stem = tmp_path / f"frame-{number:06d}"
        pose = np.eye(4)
        pose[0, 3] = 0.1 * number
        np.savetxt(f"{stem}.pose.txt", pose)
        cv2.imwrite(f"{stem}.color.png", draw.integers(0, 255, (480, 640, 3), dtype=np.uint8))
        cv2.imwrite(f"{stem}.depth.png", np.full((480, 640), 2000, np.uint16))
    room = captured_room(tmp_path, 900)
    assert len(room) == 900
    middle = room.means.median(dim=0).values
    flat = (room.means - middle).abs().max(dim=0).values.sort().values
    assert flat[0] < 0.01 and flat[2] > 1.0  # a plane, however it was turned upright
