"""Projects as COLMAP itself writes them since it knows rigs and frames."""

import numpy as np
import pytest
from PIL import Image

pycolmap = pytest.importorskip("pycolmap")

from chorus.incoming import IngestOptions  # noqa: E402
from chorus.io.colmap import read_colmap  # noqa: E402
from chorus.params import CaptureParams  # noqa: E402
from chorus.sources.colmap import read_colmap_project  # noqa: E402

PARAMS = CaptureParams(views=1, width=1, height=1, photo_long_side=96, rgbd_long_side=96, max_views=50)


@pytest.fixture(scope="module", params=["bin", "txt"])
def project(request, tmp_path_factory):
    """(folder, truth): a rig of three cameras that stood at four places, and one of one camera; a photo is missing."""
    pycolmap.set_random_seed(0)
    options = pycolmap.SyntheticDatasetOptions(num_rigs=2, num_cameras_per_rig=3, num_frames_per_rig=4)
    options.camera_width, options.camera_height = 96, 64
    options.camera_params = [100.0, 48.0, 32.0, 0.02]
    truth = pycolmap.synthesize_dataset(options)
    folder = tmp_path_factory.mktemp("rig")
    (folder / "sparse" / "0").mkdir(parents=True)
    (truth.write_binary if request.param == "bin" else truth.write_text)(str(folder / "sparse" / "0"))
    draw = np.random.default_rng(0)
    for image in truth.images.values():
        path = folder / "images" / image.name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 255, (64, 96, 3), dtype=np.uint8)).save(path)
    return folder, truth


def test_every_camera_of_a_rig_has_its_own_pose_and_lens(project):
    folder, truth = project
    assert {path.stem for path in (folder / "sparse" / "0").iterdir()} >= {"rigs", "frames", "cameras", "images"}
    model = read_colmap(folder / "sparse" / "0")
    assert len(model.images) == 24 and len(model.cameras) == 6 and len(model.points) == truth.num_points3D()
    capture = read_colmap_project(folder, PARAMS, IngestOptions(up="z"))
    assert len(capture) == 24 and not capture.info["skipped"]
    by_name = sorted(truth.images.values(), key=lambda image: image.name)
    want = np.array([image.projection_center() for image in by_name])
    assert np.abs(capture.frame.to_file(capture.cameras.positions) - want).max() < 1e-9
    axes = capture.cameras.cam_from_world[:, 2, :3] @ np.asarray(capture.frame.rotation)
    assert np.allclose(axes, [image.cam_from_world().matrix()[2, :3] for image in by_name], atol=1e-9)
