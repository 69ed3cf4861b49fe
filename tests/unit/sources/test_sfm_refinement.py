"""The last bundle adjustment of poses found from photos, beside synthetic models whose truth is known."""

import numpy as np
import pytest

pycolmap = pytest.importorskip("pycolmap")

from chorus.sources.sfm import _refined  # noqa: E402

TRUE_CENTER = (526.0, 377.0)  # of 1024x768


def shaken(photos, *, center=TRUE_CENTER, seed=0):
    """(truth, model): features moved by 0.3 pixels, one in twenty by up to 15; the lens centred."""
    pycolmap.set_random_seed(seed)
    options = pycolmap.SyntheticDatasetOptions(num_rigs=1, num_frames_per_rig=photos, num_points3D=300, track_length=8)
    options.camera_model_id = pycolmap.CameraModelId.OPENCV
    options.camera_params = [900.0, 900.0, *center, 0.05, -0.07, 0.0, 0.0]
    truth = pycolmap.synthesize_dataset(options)
    model, draw = pycolmap.Reconstruction(truth), np.random.default_rng(seed)
    for image in model.images.values():
        for point in image.points2D:
            wrong = draw.random() < 0.05
            point.xy = point.xy + (draw.uniform(-15, 15, 2) if wrong else draw.normal(0, 0.3, 2))
    for camera in model.cameras.values():
        camera.principal_point_x, camera.principal_point_y = camera.width / 2, camera.height / 2
    return truth, model


def misses(model, truth):
    """Largest distance of a camera from its true place, over the mean distance of cameras from their middle."""
    order = sorted(truth.images)
    ours, true = (np.array([m.images[i].projection_center() for i in order]) for m in (model, truth))
    a, b = ours - ours.mean(0), true - true.mean(0)
    u, s, v = np.linalg.svd(b.T @ a)
    turn = u @ np.diag([1, 1, np.sign(np.linalg.det(u @ v))]) @ v
    scale = s.sum() / (a**2).sum()
    return np.linalg.norm(scale * a @ turn.T - b, axis=1).max() / np.linalg.norm(b, axis=1).mean()


def plainly_adjusted(model):
    model = pycolmap.Reconstruction(model)
    config = pycolmap.BundleAdjustmentConfig()
    for number in model.reg_image_ids():
        config.add_image(number)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    pycolmap.create_default_bundle_adjuster(
        pycolmap.BundleAdjustmentOptions(print_summary=False), config, model
    ).solve()
    return model


def test_many_photos_tell_the_principal_point_and_wrong_features_bend_nothing(capfd):
    truth, model = shaken(24)
    plain, refined = misses(plainly_adjusted(model), truth), misses(found := _refined(pycolmap, model), truth)
    (camera,) = found.cameras.values()
    off = np.subtract((camera.principal_point_x, camera.principal_point_y), TRUE_CENTER)
    assert np.linalg.norm(off) < 0.3 * np.linalg.norm(np.subtract(TRUE_CENTER, (512, 384))), off
    assert refined < 0.5 * plain and refined < 0.002, (plain, refined)
    assert found.compute_mean_reprojection_error() < 1.0
    assert "adjustment" not in "".join(capfd.readouterr())  # the library says nothing of its own


def test_few_photos_keep_the_lens_centered():
    truth, model = shaken(9, center=(512.0, 384.0))
    found = _refined(pycolmap, model)
    (camera,) = found.cameras.values()
    assert (camera.principal_point_x, camera.principal_point_y) == (512.0, 384.0)
    assert misses(found, truth) <= misses(plainly_adjusted(model), truth)


def test_a_center_that_no_lens_has_is_not_taken():
    _, model = shaken(24, center=(640.0, 384.0))
    (camera,) = _refined(pycolmap, model).cameras.values()
    assert (camera.principal_point_x, camera.principal_point_y) == (512.0, 384.0)
