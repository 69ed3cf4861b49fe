"""Poses of bare photos by structure from motion (Schoenberger and Frahm 2016), through pycolmap on the CPU.

Photos are copied small and upright, features are matched between all pairs (or neighbours in time, for video), and the
incremental mapper registers one after another. One seed and one thread: the same photos give the same poses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from chorus.errors import InputError
from chorus.extras import extra
from chorus.files import open_picture
from chorus.sources.images import load_rgb, refuse_panorama, shown_size, value_range
from chorus.sources.lenses import lens
from chorus.sources.poses import UNREADABLE, read_pose
from chorus.sources.shots import Shot, Shots
from chorus.whole import scratch_folder

LONG_SIDE = 640  # pixels of the copies that features are found on
_FEATURES = 1800  # a photo
_OVERLAP = 12  # frames of a video that each one is matched with; further ones at powers of two
_CHUNKS = 12  # of the pairs, between which progress is told
_EXHAUSTIVE = 400  # photos: beyond it every pair takes hours
_MANY_VIEWS = 20  # photos of one lens, from which its principal point can be told from the cameras' turns
_OFF_CENTER = 0.05  # of the image's size: a principal point further off is no lens's
_SHARP = 1.0  # pixels: the scale of the robust loss, and what a point may miss its features by in the end
_LEAST_ANGLE = 1.5  # degrees between two rays of a point
_UNPLACED = "no place among the others"
_WIDE = "Photos twice as wide as high may be panoramas: cut those into perspective photos."
_ADVICE = "Take photos that share two thirds with the next, of something with texture, walking and not only turning."
Report = Callable[[str, int, int], None]  # (what is done, how many, of how many)


@dataclass(frozen=True)
class _Group:
    """Photos taken with one lens setting: they share their intrinsics."""

    photos: list[Path]
    size: tuple[int, int]  # of the copies
    focal: float | None  # pixels of the copies, as EXIF tells it


def find_poses(where: Path, photos: Sequence[Path], *, in_time: bool, seed: int, report: Report | None = None) -> Shots:
    """Poses and lenses of photos without any. in_time: they follow each other, as frames of a video.

    The largest connected part is kept; photos that found no place in it are counted. Raises MissingError without
    pycolmap, InputError when the photos are too many for all pairs or hardly any fit together.
    """
    pycolmap = _pycolmap()
    if not in_time and len(photos) > _EXHAUSTIVE:
        raise InputError(
            where,
            expected=f"at most {_EXHAUSTIVE} photos without poses",
            got=len(photos),
            fix="Keep fewer, or find poses with COLMAP and ingest its folder.",
        )
    say = report or (lambda *_: None)
    pycolmap.set_random_seed(seed)
    with scratch_folder("sfm") as work:
        groups, skipped = _copies(photos, work / "images", say)
        names = {f"{i}/{k:05d}.png": photo for i, group in enumerate(groups) for k, photo in enumerate(group.photos)}
        _features(pycolmap, work, groups, say)
        _match(pycolmap, work, sorted(names, key=lambda name: names[name]), in_time=in_time, seed=seed, say=say)
        model = _map(pycolmap, work, len(names), seed=seed, say=say)
        shots = _shots(model, names, where) if model is not None else []
    lost = len(names) - len(shots)
    if lost:
        skipped[_UNPLACED] += lost
    if model is None or len(shots) < 3 or len(shots) < 0.25 * len(names):
        got = f"{len(shots)} of {len(names)}"
        fix = f"{_WIDE} {_ADVICE}" if any(group.size[0] == 2 * group.size[1] for group in groups) else _ADVICE
        raise InputError(where, expected="photos that fit together", got=f"{got} in the largest part", fix=fix)
    note = f"poses found for {len(shots)} of {len(photos)} photos"
    return Shots(where=where, source="photos", shots=shots, skipped=skipped, notes=[note])


def _pycolmap():
    with extra("sfm"):
        import pycolmap
    pycolmap.logging.minloglevel = pycolmap.logging.Level.FATAL.value
    return pycolmap


def _copies(photos: Sequence[Path], folder: Path, say: Report) -> tuple[list[_Group], Counter]:
    """Small upright copies, a folder for each lens setting, and what could not be read."""
    deep, skipped, settings = value_range(photos), Counter(), {}
    for done, photo in enumerate(photos):
        say("photos", done, len(photos))
        try:
            refuse_panorama(photo)
            size, image = shown_size(photo), load_rgb(photo, deep=deep)
        except OSError:
            skipped[UNREADABLE] += 1
            continue
        group = settings.setdefault((size, _exif_focal(photo)), [])
        target = folder / str(len(settings) - 1 if not group else list(settings).index((size, _exif_focal(photo))))
        target.mkdir(parents=True, exist_ok=True)
        small = Image.fromarray(image)
        small.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.LANCZOS)
        small.save(target / f"{len(group):05d}.png", compress_level=1)
        group.append(photo)
    groups = []
    for (size, ratio), members in settings.items():
        scale = min(1.0, LONG_SIDE / max(size))
        small = (round(size[0] * scale), round(size[1] * scale))
        groups.append(_Group(members, small, None if ratio is None else ratio * max(small)))
    return groups, skipped


def _exif_focal(photo: Path) -> float | None:
    """Focal length over the longer side, from EXIF's 35 mm equivalent; None where there is none."""
    try:
        with open_picture(photo) as image:
            millimeters = float(image.getexif().get_ifd(0x8769).get(0xA405) or 0.0)
    except OSError:  # its EXIF is damaged
        return None
    return millimeters / 36.0 if 0 < millimeters < 1e4 else None


def _features(pycolmap, work: Path, groups: list[_Group], say: Report) -> None:
    total, done = sum(len(group.photos) for group in groups), 0
    options = pycolmap.FeatureExtractionOptions()
    options.sift.max_num_features, options.num_threads = _FEATURES, 1
    for number, group in enumerate(groups):
        reader = pycolmap.ImageReaderOptions(camera_model="OPENCV" if len(group.photos) > 9 else "SIMPLE_RADIAL")
        if group.focal is not None:
            width, height = group.size
            many = reader.camera_model == "OPENCV"
            params = [*([group.focal] * (2 if many else 1)), width / 2, height / 2, *([0.0] * (4 if many else 1))]
            reader.camera_params = ",".join(map(str, params))
        say("features", done, total)
        pycolmap.extract_features(
            work / "database.db",
            work / "images",
            image_names=[f"{number}/{k:05d}.png" for k in range(len(group.photos))],
            camera_mode=pycolmap.CameraMode.SINGLE,
            reader_options=reader,
            extraction_options=options,
        )
        done += len(group.photos)


def _match(pycolmap, work: Path, names: list[str], *, in_time: bool, seed: int, say: Report) -> None:
    """Matches of all pairs, or of frames up to ``_OVERLAP`` and at powers of two apart. names: in order of time."""
    count = len(names)
    gaps = sorted({*range(1, _OVERLAP + 1), *(2**k for k in range(20))}) if in_time else range(1, count)
    pairs = [(a, a + gap) for gap in gaps for a in range(count - gap)]
    verify = pycolmap.TwoViewGeometryOptions()
    verify.ransac.random_seed = seed
    options = pycolmap.FeatureMatchingOptions(num_threads=1)
    for part in np.array_split(np.arange(len(pairs)), min(_CHUNKS, max(1, len(pairs)))):
        if len(part) == 0:
            continue
        say("matches", int(part[0]), len(pairs))
        listed = work / "pairs.txt"
        listed.write_text("".join(f"{names[a]} {names[b]}\n" for a, b in (pairs[i] for i in part)))
        pycolmap.match_image_pairs(
            work / "database.db",
            matching_options=options,
            pairing_options=pycolmap.ImportedPairingOptions(match_list_path=str(listed)),
            verification_options=verify,
        )


def _map(pycolmap, work: Path, count: int, *, seed: int, say: Report):
    """The largest reconstruction; None where no two photos fit."""
    options = pycolmap.IncrementalPipelineOptions()
    options.random_seed, options.num_threads = seed, 1
    options.mapper.random_seed = options.triangulation.random_seed = seed
    options.min_model_size = 3
    options.extract_colors = False  # its points are not kept: triangulating again from all matches gives far more
    placed = iter(range(2, 100 * count))
    models = pycolmap.incremental_mapping(
        work / "database.db",
        work / "images",
        _made(work / "model"),
        options=options,
        next_image_callback=lambda: say("poses", min(next(placed), count), count),
    )
    best = max(models.values(), key=lambda model: model.num_reg_images(), default=None)
    if best is not None:
        say("refinement", 0, 1)
        best = _refined(pycolmap, best)
    return best


def _refined(pycolmap, model):
    """The model after bundle adjustment with a robust loss, twice: first of all points, then of those that fit.

    The mapper's squares let a few wrong tracks bend poses, and it takes the principal point for the image's middle;
    many photos of one lens tell better.
    """
    views = Counter(image.camera_id for image in model.images.values() if image.has_pose)
    if min(views.values()) >= _MANY_VIEWS:
        free = _adjusted(pycolmap, model, principal_point=True)
        if all(_centered(camera) for camera in free.cameras.values()):
            return free
    return _adjusted(pycolmap, model, principal_point=False)


def _adjusted(pycolmap, model, *, principal_point: bool):
    model = pycolmap.Reconstruction(model)
    options = pycolmap.BundleAdjustmentOptions(print_summary=False, refine_principal_point=principal_point)
    options.ceres.loss_function_type = pycolmap.LossFunctionType.CAUCHY
    options.ceres.loss_function_scale = _SHARP
    options.ceres.solver_options.num_threads = 1
    config = pycolmap.BundleAdjustmentConfig()
    for number in model.reg_image_ids():
        config.add_image(number)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    pycolmap.create_default_bundle_adjuster(options, config, model).solve()
    pycolmap.ObservationManager(model).filter_all_points3D(_SHARP, _LEAST_ANGLE)
    pycolmap.create_default_bundle_adjuster(options, config, model).solve()
    return model


def _centered(camera) -> bool:
    off = (camera.principal_point_x / camera.width - 0.5, camera.principal_point_y / camera.height - 0.5)
    return max(map(abs, off)) < _OFF_CENTER


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _shots(model, names: dict[str, Path], where: Path) -> list[Shot]:
    shots = []
    for image in sorted(model.images.values(), key=lambda image: names[image.name]):
        camera = model.cameras[image.camera_id]
        pose, _ = read_pose(np.linalg.inv(np.vstack([image.cam_from_world().matrix(), [0, 0, 0, 1.0]])))
        if pose is not None:
            size = (camera.width, camera.height)
            glass = lens(camera.model.name, list(camera.params), size, where=where)
            shots.append(Shot(path=names[image.name], lens=glass, pose=pose, name=names[image.name].name))
    return shots
