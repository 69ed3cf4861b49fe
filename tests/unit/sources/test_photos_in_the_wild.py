"""Photos with poses as people have them: what a file declares is understood or refused by name, never passed over."""

import json
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from chorus.errors import InputError
from chorus.incoming import IngestOptions
from chorus.sources import ingest
from tests.unit.sources.textured_room import (
    FOCAL,
    HEIGHT,
    PARAMS,
    SPEC,
    WIDTH,
    differences,
    edit,
    from_walls,
    look,
    pinhole,
    shoot,
    to_truth,
    walk,
    write_photos,
)

ORDER = np.random.default_rng(0).permutation(12)
UTM = np.eye(4)
UTM[:3, 3] = 691234.25, 5334567.75, 515.5


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return write_photos(tmp_path_factory.mktemp("plain") / "room")


@pytest.fixture(scope="module")
def local(plain):
    return ingest(plain, PARAMS)


@pytest.fixture
def copied(plain, tmp_path):
    return shutil.copytree(plain, tmp_path / "copy")


def close(capture, *, poses=None, pixels=1.0, up=0.5):
    off = differences(capture, walk() if poses is None else poses)
    assert off["centers"] < 1e-3 and off["rotations"] < 0.1, off
    assert off["pixels"] < pixels and off["up"] < up, off


def test_the_plain_folder(local):
    close(local, pixels=0.01, up=1e-3)
    assert local.frame.label == "units" and local.frame.up == "file"  # its z axis is what cameras and floor say
    assert np.median(from_walls(to_truth(local, walk(), local.points))) < 0.05


@pytest.mark.parametrize(
    "name",
    ["images\\{:03d}", ".\\images\\{:03d}", "C:\\scans\\room\\images\\{:03d}", "//server/share/room/images/{:03d}"],
)
def test_paths_of_other_machines(tmp_path, name):
    assert len(ingest(write_photos(tmp_path / "room", path=name), PARAMS)) == 12


def rows3(spec):
    return {**spec, "frames": [{**f, "transform_matrix": f["transform_matrix"][:3]} for f in spec["frames"]]}


def test_a_byte_order_mark_and_three_rows(copied):
    assert len(ingest(edit(copied, rows3, encoding="utf-8-sig"), PARAMS)) == 12


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ([[float("nan")] * 4] * 3 + [[0, 0, 0, 1.0]], "a pose that is not finite"),
        ((np.diag([1.0, 1, -1, 1])).tolist(), "a left-handed pose (determinant -1)"),
        ((np.diag([2.0, 2, 2, 1])).tolist(), "a pose with scale or shear"),
        ("lost", "no matrix as pose"),
        (None, "no matrix as pose"),
    ],
)
def test_one_bad_pose_is_left_out_and_counted(copied, bad, why):
    edit(copied, lambda spec: spec["frames"][5].update(transform_matrix=bad))
    capture = ingest(copied, PARAMS)
    assert len(capture) == 11 and capture.info["skipped"] == {why: 1}


def test_left_handed_poses_are_refused_with_the_advice_that_fits(tmp_path):
    folder = write_photos(tmp_path / "room", world=np.diag([1.0, 1, -1, 1]))
    with pytest.raises(InputError, match="left-handed.*negate one axis"):
        ingest(folder, PARAMS)


def test_nerf_synthetic_names(copied):
    spec = json.loads((copied / "transforms.json").read_text())
    frames = [{**f, "file_path": "./" + f["file_path"][:-4]} for f in spec["frames"]]
    angle = 2 * float(np.arctan(WIDTH / 2 / FOCAL))
    (copied / "transforms.json").unlink()
    (copied / "transforms_train.json").write_text(json.dumps({"camera_angle_x": angle, "frames": frames}))
    close(ingest(copied, PARAMS), pixels=0.5)


@pytest.mark.parametrize("there", [True, False])
def test_a_cloud_that_is_empty_or_absent_is_triangulated(copied, there):
    if there:
        header = "ply\nformat ascii 1.0\nelement vertex 0\n" + "".join(f"property float {a}\n" for a in "xyz")
        (copied / "sparse.ply").write_text(header + "end_header\n")
    capture = ingest(edit(copied, lambda spec: spec.update(ply_file_path="sparse.ply")), PARAMS)
    assert len(capture.points) > 100 and any("triangulated" in note for note in capture.info["notes"])


def write_cloud(path, points):
    table = np.empty(
        len(points), [("x", "<f8"), ("y", "<f8"), ("z", "<f8"), ("red", "u1"), ("green", "u1"), ("blue", "u1")]
    )
    for name, column in zip(table.dtype.names, [*points.T, *np.full((3, len(points)), 128)], strict=True):
        table[name] = column
    kinds = "".join(f"property {'double' if n in 'xyz' else 'uchar'} {n}\n" for n in table.dtype.names)
    head = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(points)}\n{kinds}end_header\n"
    path.write_bytes(head.encode() + table.tobytes())


def on_walls(count, low=(-3.0, -2.5, 0.0), high=(3.0, 2.5, 2.6)):
    draw = np.random.default_rng(1)
    points, axis = draw.uniform(low, high, (count, 3)), draw.integers(0, 3, count)
    points[np.arange(count), axis] = np.where(
        draw.integers(0, 2, count) == 1, np.array(high)[axis], np.array(low)[axis]
    )
    return points


@pytest.mark.parametrize("cloud", [False, True])
def test_surveyed_coordinates_equal_local_ones(tmp_path, cloud):
    captures = []
    for name, world in (("local", np.eye(4)), ("utm", UTM)):
        spec = {**SPEC, "ply_file_path": "sparse.ply"} if cloud else SPEC
        folder = write_photos(tmp_path / name, world=world, spec=spec)
        if cloud:
            write_cloud(folder / "sparse.ply", on_walls(3000) + world[:3, 3])
        captures.append(ingest(folder, PARAMS))
    near, far = captures
    assert np.abs(near.points - far.points).max() < 1e-4
    assert np.abs(near.cameras.positions - far.cameras.positions).max() < 1e-6
    assert np.allclose(np.subtract(far.frame.offset, near.frame.offset), UTM[:3, 3], atol=1e-6)
    truth = np.array(walk())[:, :3, 3] + UTM[:3, 3]
    assert np.abs(far.frame.to_file(far.cameras.positions) - truth).max() < 1e-6  # the way back


def test_memory_follows_the_cloud_and_not_cloud_times_views(tmp_path):
    import tracemalloc

    poses, rays = walk(40), pinhole(64, 48, 30.0)
    spec = {"fl_x": 30, "fl_y": 30, "cx": 32, "cy": 24, "w": 64, "h": 48, "ply_file_path": "lidar.ply"}
    folder = write_photos(tmp_path / "dense", poses=poses, rays=rays, spec=spec)
    write_cloud(folder / "lidar.ply", on_walls(300_000))
    tracemalloc.start()
    capture = ingest(folder, PARAMS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(capture.points) == 300_000 and peak < 150e6  # 40 x 300,000 distances alone are 288 MB


def drone(count, turns):
    places = [(x, y) for x in np.linspace(-1.6, 1.6, 5) for y in np.linspace(-1.4, 1.4, 4)][:count]
    up = [(0, -1.0 if turns and i % 8 >= 4 else 1.0, 0) for i in range(count)]
    return [look([x, y, 2.35], [x, y, 0.0], up=u) for (x, y), u in zip(places, up, strict=True)]


@pytest.mark.parametrize("turns", [False, True])
def test_a_drone_that_looks_down(tmp_path, turns):
    poses, spec = drone(16, turns), {**SPEC, "fl_x": 100.0, "fl_y": 100.0}
    folder = write_photos(tmp_path / "room", poses=poses, rays=pinhole(focal=100.0), spec=spec)
    close(ingest(folder, PARAMS), poses=poses, up=0.5)


def test_a_drone_in_no_known_frame_finds_the_ground(tmp_path):
    from scipy.spatial.transform import Rotation

    world = np.eye(4)
    world[:3, :3] = Rotation.random(random_state=3).as_matrix()
    poses, spec = drone(16, True), {**SPEC, "fl_x": 100.0, "fl_y": 100.0}
    folder = write_photos(tmp_path / "room", poses=poses, rays=pinhole(focal=100.0), spec=spec, world=world)
    close(ingest(folder, PARAMS), poses=poses, up=2.0)


@pytest.mark.parametrize(("said", "up"), [("auto", 0.0), ("y", 0.0), ("-y", 180.0), ("x", 90.0), ("keep", 90.0)])
def test_up_may_be_said(tmp_path, said, up):
    world = np.array([[1.0, 0, 0, 5], [0, 0, 1, 2], [0, -1, 0, -3], [0, 0, 0, 1]])  # true z -> the file's y
    folder = write_photos(tmp_path / "room", world=world)
    capture = ingest(folder, PARAMS, IngestOptions(up=said))
    assert abs(differences(capture, walk())["up"] - up) < 0.01
    if said == "keep":
        truth = np.array(walk())[:, :3, 3] @ world[:3, :3].T + world[:3, 3]
        assert np.abs(capture.cameras.positions - truth).max() < 1e-9 and capture.frame.up == "kept"


@pytest.mark.parametrize("factor", [0.001, 1.0, 40.0])
def test_scale_may_be_said(tmp_path, factor):
    world = np.eye(4)
    poses = [pose.copy() for pose in walk()]
    folder = write_photos(tmp_path / "room", world=world)
    edit(folder, lambda spec: [scale_pose(f, 1 / factor) for f in spec["frames"]] and spec)
    capture = ingest(folder, PARAMS, IngestOptions(scale=factor))
    assert abs(differences(capture, poses)["scale"] - 1) < 1e-6 and capture.frame.label == "m"
    assert "as given" in capture.info["notes"][0]


def scale_pose(frame, factor):
    matrix = np.array(frame["transform_matrix"])
    matrix[:3, 3] *= factor
    frame["transform_matrix"] = matrix.tolist()
    return frame


@pytest.mark.parametrize("jitter", [0.0, 0.003])
def test_a_camera_that_only_turns_has_no_parallax(tmp_path, jitter):
    draw, eye = np.random.default_rng(3), np.array([0.3, -0.2, 1.4])
    angles = 2 * np.pi * np.arange(24) / 24
    eyes = eye + draw.normal(0, jitter, (24, 3))
    poses = [look(e, e + [np.cos(a), np.sin(a), -0.1]) for e, a in zip(eyes, angles, strict=True)]
    with pytest.raises(InputError, match="[Pp]arallax") as caught:
        ingest(write_photos(tmp_path / "room", poses=poses), PARAMS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("orientation", "sized"), [(3, True), (6, True), (6, False), (8, False)])
def test_photos_on_their_side_as_exif_says(tmp_path, orientation, sized):
    turns = {3: 2, 6: 1, 8: 3}[orientation]
    width, height, focal = 150, 200, 108.0

    def save(image, path):
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(np.rot90(image, turns).copy()).save(path, quality=95, exif=exif)

    sizes = {"fl_x": focal, "fl_y": focal, "cx": width / 2, "cy": height / 2, "w": width, "h": height}
    spec = sizes if sized else {"camera_angle_x": 2 * float(np.arctan(width / 2 / focal))}
    folder = write_photos(tmp_path / "room", rays=pinhole(width, height, focal), spec=spec, save=save, suffix=".jpg")
    close(ingest(folder, PARAMS), pixels=6)


def test_exif_is_set_aside_where_only_the_stored_picture_fits(tmp_path):
    def save(image, path):
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(image).save(path, quality=95, exif=exif)

    close(ingest(write_photos(tmp_path / "room", save=save, suffix=".jpg"), PARAMS), pixels=6)


@pytest.mark.parametrize("portrait", [False, True])
def test_a_rig_of_two_cameras(tmp_path, portrait):
    other = (150, 200, 108.0) if portrait else (167, 150, 108.0)
    kinds = [other, (WIDTH, HEIGHT, FOCAL)]
    folder, poses = write_photos(tmp_path / "rig", spec={}), walk()

    def own(spec):
        for i, frame in enumerate(spec["frames"]):
            w, h, f = kinds[i % 2]
            Image.fromarray(shoot(poses[i], pinhole(w, h, f))[0]).save(folder / frame["file_path"])
            frame.update({"w": w, "h": h, "fl_x": f, "fl_y": f, "cx": w / 2, "cy": h / 2})

    capture = ingest(edit(folder, own), PARAMS)
    close(capture, pixels=3)
    assert (capture.mask is not None) == portrait  # shapes too far apart are padded with pixels that take no part
    assert len(np.unique(capture.cameras.K[:, 0, 0].round(3))) == 2


def test_sixteen_bit_grey_is_scaled(tmp_path):
    def save(image, path):
        grey = image.astype(float).mean(axis=-1)
        Image.fromarray((grey / 255 * 3000 + 8000).astype(np.uint16)).save(
            path
        )  # a narrow range, as thermal cameras have

    capture = ingest(write_photos(tmp_path / "room", save=save), PARAMS)
    assert capture.images.std() > 30 and 0.001 < (capture.images == 255).mean() + (capture.images == 0).mean() < 0.1
    truth = shoot(walk()[0], pinhole())[0].mean(axis=-1)
    assert np.corrcoef(truth.ravel(), capture.images[0, ..., 0].ravel())[0, 1] > 0.99


@pytest.mark.parametrize(("top", "suffix"), [(1023, ".tif"), (4095, ".png"), (16383, ".png"), (65535, ".tif")])
def test_colors_of_more_than_eight_bits_keep_the_range_of_their_sensor(tmp_path, top, suffix):
    def save(image, path):
        cv2.imwrite(str(path), np.rint(image[..., ::-1].astype(float) / 255 * top).astype(np.uint16))

    capture = ingest(write_photos(tmp_path / "room", save=save, suffix=suffix), PARAMS)
    close(capture, pixels=1.0)
    assert f"photos of more than 8 bits: 0 is black, {top} white" in capture.info["notes"]


def test_a_dark_capture_is_refused_with_what_makes_photos_dark(tmp_path):
    def save(image, path):
        Image.fromarray(image // 32).save(path)

    with pytest.raises(InputError, match=r"neither black nor white.*in 12 of 12 views.*tone curve \(sRGB\)"):
        ingest(write_photos(tmp_path / "room", save=save), PARAMS)


def test_black_and_blank_views_are_left_out_and_counted(copied):
    for i, value in ((1, 0), (5, 255), (9, 120)):
        Image.fromarray(np.full((HEIGHT, WIDTH, 3), value, np.uint8)).save(copied / "images" / f"{i:03d}.png")
    capture = ingest(copied, PARAMS)
    assert len(capture) == 9 and capture.info["skipped"] == {"black, white or blank": 3}
    close(capture, poses=[pose for i, pose in enumerate(walk()) if i not in (1, 5, 9)], pixels=0.01)


def test_a_photo_named_twice_counts_once(copied):
    capture = ingest(edit(copied, lambda spec: spec["frames"].extend(spec["frames"][:3])), PARAMS)
    assert len(capture) == 12 and not capture.info["skipped"]
    assert "3 frames name a photo once more: the first of each counts" in capture.info["notes"]


def test_names_that_differ_in_capitals_or_in_how_accents_are_written(copied):
    import unicodedata

    def rename(spec):
        for i, frame in enumerate(spec["frames"]):
            name = unicodedata.normalize("NFD", f"Küche {i:02d}.png")
            (copied / frame["file_path"]).rename(copied / "images" / name)
            frame["file_path"] = f"Images/{unicodedata.normalize('NFC', name).upper()}"

    close(ingest(edit(copied, rename), PARAMS))


@pytest.mark.parametrize("suffix", [".heic", ".DNG", ".exr"])
def test_photos_in_formats_that_are_not_read(copied, suffix):
    def rename(spec):
        for frame in spec["frames"]:
            (copied / frame["file_path"]).rename((copied / frame["file_path"]).with_suffix(suffix))
            frame["file_path"] = frame["file_path"].replace(".png", suffix)

    with pytest.raises(InputError, match="12 with photos unreadable.*Convert them to JPEG or PNG"):
        ingest(edit(copied, rename), PARAMS)
    (copied / "transforms.json").unlink()
    with pytest.raises(InputError, match=rf"Convert the photos \({suffix.lower()}\)"):
        ingest(copied, PARAMS)


def masked(folder):
    (folder / "masks").mkdir()

    def paint(spec):
        for i, frame in enumerate(spec["frames"]):
            image = np.array(Image.open(folder / frame["file_path"]))
            image[84:, 75:125] = 255, 0, 255
            Image.fromarray(image).save(folder / frame["file_path"])
            mask = np.full(image.shape[:2], 255, np.uint8)
            mask[84:, 75:125] = 0
            Image.fromarray(mask).save(folder / "masks" / f"{i:03d}.png")
            frame["mask_path"] = f"masks/{i:03d}.png"

    return edit(folder, paint)


def test_masked_pixels_take_no_part(copied, tmp_path):
    from chorus.capture import Capture

    capture = ingest(masked(copied), PARAMS)
    assert not capture.mask[:, 86:, 77:123].any() and capture.mask[:, :82].all()
    close(capture, pixels=1.0)  # the blur of the comparison carries some paint over the border
    far_red = capture.point_colors[:, 0].astype(int) - capture.point_colors[:, 1] > 200
    assert not far_red.any()  # no point was triangulated on what is masked
    capture.save(tmp_path / "saved")
    assert np.array_equal(Capture.load(tmp_path / "saved").mask, capture.mask)


def test_a_mask_that_is_named_and_absent_is_refused(copied):
    edit(copied, lambda spec: spec["frames"][0].update(mask_path="masks/none.png"))
    with pytest.raises(InputError, match="masks/none.png"):
        ingest(copied, PARAMS)


def test_a_depth_scale_without_depth_is_refused(plain):
    with pytest.raises(InputError, match="expected depth images for --depth-scale"):
        ingest(plain, PARAMS, IngestOptions(depth_scale=5000.0))


def test_depth_that_is_named_is_read_with_its_unit(copied):
    def add(spec):
        spec["depth_unit_scale_factor"] = 1 / 5000
        for i, (frame, pose) in enumerate(zip(spec["frames"], walk(), strict=True)):
            depth = shoot(pose, pinhole())[1]
            Image.fromarray(np.rint(depth * 5000).astype(np.uint16)).save(copied / f"depth_{i:03d}.png")
            frame["depth_file_path"] = f"depth_{i:03d}.png"

    capture = ingest(edit(copied, add), PARAMS)
    assert capture.frame.label == "m" and abs(differences(capture, walk())["scale"] - 1) < 1e-6
    assert np.abs(capture.depth[0] - shoot(walk()[0], pinhole())[1]).max() < 1e-3


def with_depth(folder, *, every=lambda i: True, along=None):
    """Depth images in mm of the frames that ``every`` picks; along: [H, W] what the optical depth is times."""

    def add(spec):
        for i, (frame, pose) in enumerate(zip(spec["frames"], walk(), strict=True)):
            if every(i):
                depth = shoot(pose, pinhole())[1] * (1.0 if along is None else along)
                Image.fromarray(np.rint(depth * 1000).astype(np.uint16)).save(folder / f"depth_{i:03d}.png")
                frame["depth_file_path"] = f"depth_{i:03d}.png"

    return edit(folder, add)


def test_a_view_without_depth_knows_none(copied):
    capture = ingest(with_depth(copied, every=lambda i: i != 4), PARAMS)
    assert not capture.depth[4].any() and (capture.depth[3] > 0).all()


def test_depth_of_a_few_views_is_left_out_and_told(copied):
    capture = ingest(with_depth(copied, every=lambda i: i % 2), PARAMS)
    assert capture.depth is None and capture.points is not None
    assert "depth is left out: 6 of 12 views have it" in capture.info["notes"]


def test_depth_along_the_rays_is_refused_with_the_formula(copied):
    rays = np.linalg.norm(pinhole(), axis=-1) / pinhole()[..., 2]
    with pytest.raises(InputError, match=r"along the optical axis.*z = d / sqrt\(1 \+ "):
        ingest(with_depth(copied, along=rays), PARAMS)


@pytest.mark.parametrize(
    "declared",
    [
        {"camera_model": "EQUIRECTANGULAR"},
        {"camera_model": "ORTHOPHOTO"},
        {"camera_model": "OMNIDIRECTIONALSTEREO_L"},
        {"camera_model": "VR180_R"},
        {"camera_model": "SPHERICAL_MIRROR"},
        {"equirectangular": True},
        {"ftheta_p0": 0.1},
    ],
)
def test_a_lens_that_is_not_understood_is_refused_by_name(copied, declared):
    name = str(next(iter(declared.values())) if "camera_model" in declared else "")
    with pytest.raises(InputError, match=f"a camera model that can be undone.*{name}"):
        ingest(edit(copied, lambda spec: spec.update(declared)), PARAMS)


def bent_rays(bend):
    """Rays of an image of a lens: bend(x, y) -> where the direction (x, y, 1) lands, inverted by fixed-point steps."""
    flat = pinhole()
    x, y = flat[..., 0].copy(), flat[..., 1].copy()
    for _ in range(60):
        u, v = bend(x, y)
        x, y = x - 0.7 * (u - flat[..., 0]), y - 0.7 * (v - flat[..., 1])
    return np.stack([x, y, np.ones_like(x)], axis=-1)


def opencv(x, y):
    points = np.stack([x, y, np.ones_like(x)], axis=-1).reshape(-1, 1, 3)
    flat, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), np.eye(3), np.array([-0.12, 0.03, 0.002, -0.001]))
    return flat.reshape(*x.shape, 2)[..., 0], flat.reshape(*x.shape, 2)[..., 1]


def fisheye(x, y):
    points = np.stack([x, y], axis=-1).reshape(-1, 1, 2)
    flat = cv2.fisheye.distortPoints(points, np.eye(3), np.array([0.02, -0.01, 0.001, 0.0]))
    return flat.reshape(*x.shape, 2)[..., 0], flat.reshape(*x.shape, 2)[..., 1]


def one_fisheye(x, y):
    points = np.stack([x, y], axis=-1).reshape(-1, 1, 2)
    flat = cv2.fisheye.distortPoints(points, np.eye(3), np.array([0.02, 0.0, 0.0, 0.0]))
    return flat.reshape(*x.shape, 2)[..., 0], flat.reshape(*x.shape, 2)[..., 1]


def field_of_view(x, y):
    radius = np.maximum(np.hypot(x, y), 1e-9)
    factor = np.arctan(2 * radius * np.tan(0.45)) / (0.9 * radius)
    return x * factor, y * factor


@pytest.mark.parametrize("model", ["FOV", "EUCM", "THIN_PRISM_FISHEYE", "FISHEYE624"])
def test_a_lens_without_its_parameters_is_refused(copied, model):
    with pytest.raises(InputError, match="finite parameters of"):
        ingest(edit(copied, lambda spec: spec.update(camera_model=model)), PARAMS)


@pytest.mark.parametrize(
    ("bend", "declared"),
    [
        (opencv, {"camera_model": "OPENCV", "k1": -0.12, "k2": 0.03, "p1": 0.002, "p2": -0.001}),
        (opencv, {"k1": -0.12, "k2": 0.03, "p1": 0.002, "p2": -0.001}),
        (fisheye, {"camera_model": "OPENCV_FISHEYE", "k1": 0.02, "k2": -0.01, "k3": 0.001, "k4": 0.0}),
        (fisheye, {"is_fisheye": True, "k1": 0.02, "k2": -0.01, "k3": 0.001, "k4": 0.0}),
        (one_fisheye, {"camera_model": "SIMPLE_RADIAL_FISHEYE", "k1": 0.02}),
        (one_fisheye, {"camera_model": "RADIAL_FISHEYE", "k1": 0.02, "k2": 0.0}),
        (one_fisheye, {"camera_model": "THIN_PRISM_FISHEYE", "k1": 0.02, "sx1": 0.0}),
        (field_of_view, {"camera_model": "FOV", "omega": 0.9}),
    ],
)
def test_a_lens_is_undone(tmp_path, bend, declared):
    folder = write_photos(tmp_path / "room", rays=bent_rays(bend), spec={**SPEC, **declared})
    close(ingest(folder, PARAMS), pixels=6)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda image, i: np.zeros_like(image), "views not black or white|views neither black"),
        (lambda image, i: np.full_like(image, 255), "black"),
        (lambda image, i: image[:, ::-1], "poses that the photos agree with"),
    ],
)
def test_photos_that_cannot_be_right_are_refused(copied, change, says):
    for i in range(12):
        path = copied / "images" / f"{i:03d}.png"
        Image.fromarray(np.ascontiguousarray(change(np.array(Image.open(path)), i))).save(path)
    with pytest.raises(InputError, match=says):
        ingest(copied, PARAMS)


def test_photos_in_the_wrong_order_are_noticed(tmp_path):
    folder = write_photos(tmp_path / "room")
    for i in range(12):
        Image.fromarray(shoot(walk()[ORDER[i]], pinhole())[0]).save(folder / "images" / f"{i:03d}.png")
    capture = ingest(folder, PARAMS)
    assert any("warning" in note and "poses do not fit the photos" in note for note in capture.info["notes"])


@pytest.mark.parametrize("wrong", [np.linalg.inv, lambda pose: pose @ np.diag([1.0, -1, -1, 1])])
def test_poses_the_other_way_round_or_in_other_axes_are_refused(copied, wrong):
    def change(spec):
        for frame in spec["frames"]:
            frame["transform_matrix"] = wrong(np.array(frame["transform_matrix"])).tolist()

    with pytest.raises(InputError, match="The poses do not fit the photos: check that they are camera-to-world"):
        ingest(edit(copied, change), PARAMS)


def test_a_file_of_poses_in_utf16(tmp_path):
    path = write_photos(tmp_path / "room") / "transforms.json"
    path.write_bytes(path.read_text().encode("utf-16"))
    close(ingest(path.parent, PARAMS))


@pytest.mark.parametrize("angle", [40.0, 86.0, -0.5, 0.0])
def test_an_angle_in_degrees_is_no_focal_length(tmp_path, angle):
    folder = write_photos(tmp_path / "room", spec={"camera_angle_x": angle})
    with pytest.raises(InputError, match="camera_angle_x between 0 and pi, in radians"):
        ingest(folder, PARAMS)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("posed", [True, False])
def test_photos_that_say_they_are_panoramas(tmp_path, posed, suffix):
    says = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a GPano:ProjectionType="equirectangular"/></x:xmpmeta>'

    def save(image, path):
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", says.decode())
        Image.fromarray(image).save(path, **({"xmp": says} if suffix == ".jpg" else {"pnginfo": info}))

    folder = write_photos(tmp_path / "room", save=save, suffix=suffix)
    if not posed:
        pytest.importorskip("pycolmap")
        (folder / "transforms.json").unlink()
    with pytest.raises(InputError, match="equirectangular panorama.*perspective photos first"):
        ingest(folder, PARAMS)
