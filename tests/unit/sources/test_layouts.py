"""RGB-D data sets and COLMAP projects in the layouts their makers give them."""

import csv
import json
import struct

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from chorus.errors import InputError
from chorus.incoming import IngestOptions
from chorus.sources import ingest, kind_of
from tests.unit.sources.textured_room import (
    FOCAL,
    HEIGHT,
    PARAMS,
    WIDTH,
    differences,
    from_walls,
    pinhole,
    shoot,
    to_truth,
    walk,
)

K = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1.0]])


def frames():
    for i, pose in enumerate(walk()):
        yield i, pose, *shoot(pose, pinhole())


def counts(depth, scale):
    return Image.fromarray(np.rint(depth * scale).clip(0, 65535).astype(np.uint16))


def seven_scenes(folder, scale=1000.0, change=lambda pose: pose, save=None):
    (folder / "seq-01").mkdir(parents=True)
    np.savetxt(folder / "camera-intrinsics.txt", K)
    for i, pose, image, depth in frames():
        stem = folder / "seq-01" / f"frame-{i:06d}"
        Image.fromarray(image).save(f"{stem}.color.png")
        counts(depth, scale).save(f"{stem}.depth.png") if save is None else save(depth, stem)
        np.savetxt(f"{stem}.pose.txt", change(pose))
    return folder


def scannet(folder, *, small=True, tsv=False):
    names = ("color", "depth", "pose", "label" if small else "label-filt", "instance" if small else "instance-filt")
    for name in names:
        (folder / name).mkdir(parents=True)
    K4 = np.eye(4)
    K4[:3, :3] = K
    where = folder if small else folder / "intrinsic"
    where.mkdir(exist_ok=True)
    for which in ("color", "depth"):
        np.savetxt(where / (f"intrinsics_{which}.txt" if small else f"intrinsic_{which}.txt"), K4)
    for i, pose, image, depth in frames():
        stem = f"{i * 100:06d}" if small else str(i)
        Image.fromarray(image).save(folder / "color" / f"{stem}.jpg", quality=95)
        counts(depth, 1000).save(folder / "depth" / f"{stem}.png")
        np.savetxt(folder / "pose" / f"{stem}.txt", pose)
        label = np.full((HEIGHT, WIDTH), 5, np.uint16)  # chair, of the 40 classes
        label[:10] = 0 if not tsv else 1163
        Image.fromarray(label.astype(np.uint8) if not tsv else label).save(folder / names[3] / f"{stem}.png")
        Image.fromarray((label * 1000 + 7).astype(np.uint16)).save(folder / names[4] / f"{stem}.png")
    if tsv:
        with open(folder.parent / "scannetv2-labels.combined.tsv", "w", newline="") as stream:
            writer = csv.writer(stream, delimiter="\t")
            writer.writerows(
                [["id", "raw_category", "nyu40id"], [5, "shelf", 10], [1163, "thing", 40], [9, "none", ""]]
            )
    return folder


def tum(folder, *, associations=False):
    for name in ("rgb", "depth"):
        (folder / name).mkdir(parents=True)
    np.savetxt(folder / "camera-intrinsics.txt", K)
    rgb, depths, poses, pairs = (["# comment"] for _ in range(4))
    for i, pose, image, depth in frames():
        time = 1305031102.0 + 0.1 * i
        Image.fromarray(image).save(folder / "rgb" / f"{time:.6f}.png")
        counts(depth, 5000).save(folder / "depth" / f"{time + 0.01:.6f}.png")
        x, y, z, w = Rotation.from_matrix(pose[:3, :3]).as_quat()
        rgb.append(f"{time:.6f} rgb/{time:.6f}.png")
        depths.append(f"{time + 0.01:.6f} depth/{time + 0.01:.6f}.png")
        poses.append(" ".join(f"{v:.6f}" for v in (time + 0.003, *pose[:3, 3], x, y, z, w)))
        pairs.append(f"{time:.6f} rgb/{time:.6f}.png {time + 0.01:.6f} depth/{time + 0.01:.6f}.png")
    (folder / "groundtruth.txt").write_text("\n".join(poses))
    files = {"associations.txt": pairs} if associations else {"rgb.txt": rgb, "depth.txt": depths}
    for name, lines in files.items():
        (folder / name).write_text("\n".join(lines))
    return folder


def replica(folder):
    (folder / "results").mkdir(parents=True)
    for i, _, image, depth in frames():
        Image.fromarray(image).save(folder / "results" / f"frame{i:06d}.jpg", quality=95)
        counts(depth, 6553.5).save(folder / "results" / f"depth{i:06d}.png")
    np.savetxt(folder / "traj.txt", np.array(walk()).reshape(-1, 16))
    camera = {"fx": FOCAL, "fy": FOCAL, "cx": WIDTH / 2 - 0.5, "cy": HEIGHT / 2 - 0.5, "scale": 6553.5}
    (folder.parent / "cam_params.json").write_text(json.dumps({"camera": camera}))
    return folder


def semantic_replica(folder):
    for name in ("rgb", "depth", "semantic_class", "semantic_instance"):
        (folder / name).mkdir(parents=True)
    np.savetxt(folder / "camera-intrinsics.txt", K)
    for i, _, image, depth in frames():
        Image.fromarray(image).save(folder / "rgb" / f"rgb_{i}.png")
        counts(depth, 1000).save(folder / "depth" / f"depth_{i}.png")
        for name in ("semantic_class", "semantic_instance"):
            Image.fromarray(np.full((HEIGHT, WIDTH), 93, np.uint8)).save(folder / name / f"{name}_{i}.png")
    np.savetxt(folder / "traj_w_c.txt", np.array(walk()).reshape(-1, 16))
    classes = {"classes": [{"id": 93, "name": "wall"}, {"id": 7, "name": "bed"}]}
    (folder / "info_semantic.json").write_text(json.dumps(classes))
    return folder


@pytest.mark.parametrize(
    ("write", "options"),
    [
        (seven_scenes, {}),
        (scannet, {}),
        (scannet, {"small": False}),
        (tum, {}),
        (tum, {"associations": True}),
        (replica, {}),
        (semantic_replica, {}),
    ],
)
def test_every_layout_is_read(tmp_path, write, options):
    folder = write(tmp_path / "data" / "room", **options)
    assert kind_of(folder) == "rgbd"
    capture = ingest(folder, PARAMS)
    off = differences(capture, walk())
    assert len(capture) == 12 and capture.frame.label == "m"
    assert abs(off["scale"] - 1) < 0.02 and off["centers"] < 0.03 and off["up"] < 2 and off["pixels"] < 8, off
    truth = shoot(walk()[0], pinhole())[1]
    known = capture.depth[0] > 0
    assert known.mean() > 0.9 and np.median(np.abs(capture.depth[0] / truth - 1)[known]) < 0.02


def test_labels_come_with_their_names(tmp_path):
    small = ingest(scannet(tmp_path / "a" / "room"), PARAMS)
    assert small.class_names[5] == "chair" and set(np.unique(small.semantic)) == {0, 5}
    assert set(np.unique(small.instance)) == {7, 5007}
    whole = ingest(scannet(tmp_path / "b" / "room", small=False, tsv=True), PARAMS)
    assert whole.class_names[10] == "bookshelf" and set(np.unique(whole.semantic)) == {10, 40}
    other = ingest(semantic_replica(tmp_path / "c" / "room"), PARAMS)
    assert [other.class_names[i] for i in np.unique(other.semantic)] == ["wall"]


@pytest.mark.parametrize("scale", [5000.0, 6553.5, 256.0])
def test_depth_that_contradicts_the_poses_is_noticed(tmp_path, scale):
    folder = seven_scenes(tmp_path / "room", scale=scale)
    with pytest.raises(InputError, match="as deep as the poses say.*--depth-scale") as caught:
        ingest(folder, PARAMS)
    advised = float(str(caught.value).split("--depth-scale ")[1].split()[0])
    assert abs(advised / scale - 1) < 0.06
    capture = ingest(folder, PARAMS, IngestOptions(depth_scale=scale))
    assert abs(np.median(capture.depth[0] / shoot(walk()[0], pinhole())[1]) - 1) < 0.02


def test_poses_in_millimetres(tmp_path):
    def millimeters(pose):
        pose = pose.copy()
        pose[:3, 3] *= 1000
        return pose

    folder = seven_scenes(tmp_path / "room", change=millimeters)
    with pytest.raises(InputError, match="--unit"):
        ingest(folder, PARAMS)
    capture = ingest(folder, PARAMS, IngestOptions(scale=0.001))
    assert abs(differences(capture, walk())["scale"] - 1) < 0.02 and capture.frame.unit_known == "given"


def as_tiff(depth, stem):
    Image.fromarray(depth.astype(np.float32)).save(f"{stem}.depth.tiff")


def as_npy(depth, stem):
    np.save(f"{stem}.depth.npy", np.where(depth > 4, np.nan, depth).astype(np.float32))


@pytest.mark.parametrize("save", [as_tiff, as_npy])
def test_float_depth_counts_metres(tmp_path, save):
    capture = ingest(seven_scenes(tmp_path / "room", save=save), PARAMS)
    known = capture.depth[0] > 0
    assert known.mean() > 0.6 and np.isfinite(capture.depth).all()
    assert np.median(np.abs(capture.depth[0] / shoot(walk()[0], pinhole())[1] - 1)[known]) < 0.02


@pytest.mark.parametrize("a_metre", [3.28084, 100.0])
def test_float_depth_in_another_unit_is_told_by_its_own_numbers(tmp_path, a_metre):
    def save(depth, stem):
        np.save(f"{stem}.depth.npy", (depth * a_metre).astype(np.float32))

    folder = seven_scenes(tmp_path / "room", save=save)
    with pytest.raises(InputError, match="as deep as the poses say") as caught:
        ingest(folder, PARAMS)
    assert abs(float(str(caught.value).split("--depth-scale ")[1].split()[0]) / a_metre - 1) < 0.06
    assert ingest(folder, PARAMS, IngestOptions(depth_scale=a_metre)).frame.label == "m"


def test_distances_along_the_rays_are_refused(tmp_path):
    rays = np.linalg.norm(pinhole(), axis=-1) / pinhole()[..., 2]
    folder = seven_scenes(
        tmp_path / "room", save=lambda depth, stem: counts(depth * rays, 1000).save(f"{stem}.depth.png")
    )
    with pytest.raises(InputError, match="depth along the optical axis"):
        ingest(folder, PARAMS)


def test_a_frame_without_labels_is_unlabelled(tmp_path):
    folder = scannet(tmp_path / "room")
    (folder / "label" / sorted(path.name for path in (folder / "label").iterdir())[2]).unlink()
    capture = ingest(folder, PARAMS)
    labelled = (capture.semantic > 0).any(axis=(1, 2))
    assert not labelled[2] and labelled.sum() == len(capture) - 1


def test_label_numbers_that_16_bits_cannot_hold(tmp_path):
    folder = scannet(tmp_path / "room")
    path = min((folder / "label").iterdir())
    Image.fromarray(np.full((HEIGHT, WIDTH), 70000, np.int32)).save(path, format="TIFF")  # PNG holds none
    with pytest.raises(InputError, match="label numbers up to 65535, got 70000"):
        ingest(folder, PARAMS)


def test_names_under_a_number_beyond_all_bounds(tmp_path):
    folder = semantic_replica(tmp_path / "room")
    (folder / "info_semantic.json").write_text('{"classes": [{"id": 1e999, "name": "wall"}]}')
    with pytest.raises(InputError, match="info_semantic.json: expected classes with id and name"):
        ingest(folder, PARAMS)


@pytest.mark.parametrize("shape", [(2, 6000), (6000, 2)])
def test_a_label_image_of_other_proportions_is_refused_before_it_is_decoded(tmp_path, shape):
    folder = scannet(tmp_path / "room")
    path = min((folder / "label").iterdir())
    Image.fromarray(np.zeros(shape, np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-30])  # decoding it would end in another line
    with pytest.raises(InputError, match="expected a label image of its photo's proportions, got"):
        ingest(folder, PARAMS)


def test_openexr_depth_is_refused_by_name(tmp_path):
    folder = seven_scenes(tmp_path / "room")
    for path in folder.rglob("*.depth.png"):
        path.rename(path.with_suffix(".exr"))
    with pytest.raises(InputError, match=r"depth in .png, .tiff or .npy, got OpenEXR.*numpy.save"):
        ingest(folder, PARAMS)


def test_left_handed_rgbd_is_refused(tmp_path):
    with pytest.raises(InputError, match="left-handed"):
        ingest(seven_scenes(tmp_path / "room", change=lambda pose: np.diag([1.0, 1, -1, 1]) @ pose), PARAMS)


def test_a_trajectory_that_is_too_short_is_named(tmp_path):
    folder = replica(tmp_path / "data" / "room")
    np.savetxt(folder / "traj.txt", np.array(walk()[:5]).reshape(-1, 16))
    with pytest.raises(InputError, match="traj.txt.*a pose for each of the 12"):
        ingest(folder, PARAMS)


def write_colmap(model, *, binary=True, points=True, camera=("PINHOLE", 1, [FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2])):
    """cameras, images and points3D as COLMAP writes them, by its own description of the format."""
    model.mkdir(parents=True, exist_ok=True)
    name, number, params = camera
    draw = np.random.default_rng(0)
    cloud = draw.uniform([-3, -2.5, 0], [3, 2.5, 2.6], (500, 3))
    cloud[:, 2] = 0.0
    rows = []
    for i, pose in enumerate(walk()):
        inverse = np.linalg.inv(pose)
        x, y, z, w = Rotation.from_matrix(inverse[:3, :3]).as_quat()
        rows.append((i + 1, (w, x, y, z), inverse[:3, 3], f"{i:03d}.png"))
    if binary:
        camera_row = struct.pack("<iiQQ", 1, number, WIDTH, HEIGHT) + struct.pack(f"<{len(params)}d", *params)
        (model / "cameras.bin").write_bytes(struct.pack("<Q", 1) + camera_row)
        images = [
            struct.pack("<i7di", i, *q, *t, 1) + n.encode() + b"\0" + struct.pack("<Q", 2) + bytes(48)
            for i, q, t, n in rows
        ]
        (model / "images.bin").write_bytes(struct.pack("<Q", len(rows)) + b"".join(images))
        found = [struct.pack("<Q3d3BdQ", i, *p, 9, 99, 199, 0.5, 2) + bytes(16) for i, p in enumerate(cloud)]
        if points:
            (model / "points3D.bin").write_bytes(struct.pack("<Q", len(cloud)) + b"".join(found))
    else:
        (model / "cameras.txt").write_text(f"# c\n1 {name} {WIDTH} {HEIGHT} {' '.join(map(str, params))}\n")
        images = [f"{i} {' '.join(map(repr, map(float, (*q, *t))))} 1 {n}\n\n" for i, q, t, n in rows]
        (model / "images.txt").write_text("# i\n# j\n" + "".join(images))
        if points:
            lines = [f"{i} {' '.join(map(repr, map(float, p)))} 9 99 199 0.5 1 2\n" for i, p in enumerate(cloud)]
            (model / "points3D.txt").write_text("# p\n" + "".join(lines))


def colmap_project(folder, place="sparse/0", photos="images", **options):
    (folder / photos).mkdir(parents=True)
    for i, _, image, _ in frames():
        Image.fromarray(image).save(folder / photos / f"{i:03d}.png")
    write_colmap(folder / place, **options)
    return folder


@pytest.mark.parametrize(
    ("place", "options"),
    [
        ("sparse/0", {}),
        ("sparse", {"binary": False}),
        ("colmap/sparse/0", {}),
        ("sparse/0", {"points": False}),
        (".", {"binary": False, "points": False}),
        ("sparse/0", {"camera": ("SIMPLE_RADIAL", 2, [FOCAL, WIDTH / 2, HEIGHT / 2, 0.0])}),
    ],
)
def test_colmap_projects(tmp_path, place, options):
    folder = colmap_project(tmp_path / "room", place, **options)
    assert kind_of(folder) == "colmap"
    capture = ingest(folder, PARAMS)
    off = differences(capture, walk())
    assert off["centers"] < 1e-6 and off["rotations"] < 1e-3 and off["pixels"] < 1 and off["up"] < 2, off
    assert capture.frame.label == "units" and np.median(from_walls(to_truth(capture, walk(), capture.points))) < 0.05
    if options.get("points", True):
        assert len(capture.points) == 500 and (capture.point_colors == [9, 99, 199]).all()


def test_scannetpp_is_metric_with_z_up(tmp_path):
    folder = colmap_project(tmp_path / "room", "dslr/colmap", "dslr/resized_images", binary=False)
    capture = ingest(folder, PARAMS)
    off = differences(capture, walk())
    assert (
        capture.frame.label == "m" and capture.frame.up == "file" and abs(off["scale"] - 1) < 1e-6 and off["up"] < 1e-3
    )


def test_colmap_masks_are_honoured(tmp_path):
    folder = colmap_project(tmp_path / "room")
    (folder / "masks").mkdir()
    for i in range(12):
        mask = np.full((HEIGHT, WIDTH), 255, np.uint8)
        mask[:20] = 0
        Image.fromarray(mask).save(folder / "masks" / f"{i:03d}.png.png")
    capture = ingest(folder, PARAMS)
    assert not capture.mask[:, :18].any() and capture.mask[:, 22:].all()


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda m: (m / "cameras.bin").write_bytes(b"\1\0\0"), "cameras.bin.*COLMAP's cameras"),
        (lambda m: (m / "images.bin").write_bytes((m / "images.bin").read_bytes()[:300]), "images.bin"),
        (lambda m: write_colmap(m, camera=("EQUIRECTANGULAR", 17, [WIDTH, HEIGHT])), "EQUIRECTANGULAR"),
        (lambda m: write_colmap(m, camera=("X", 99, [])), "a camera model numbered below"),
    ],
)
def test_damaged_colmap_models_name_the_file(tmp_path, break_it, says):
    folder = colmap_project(tmp_path / "room")
    break_it(folder / "sparse/0")
    with pytest.raises(InputError, match=says):
        ingest(folder, PARAMS)


def tag(path, orientation=6):
    """Say in EXIF that a photo is to be shown turned; its pixels stay."""
    with Image.open(path) as image:
        exif = Image.Exif()
        exif[0x0112] = orientation
        image.convert("RGB").save(path.with_suffix(".jpg"), quality=97, exif=exif)
    path.unlink()
    path.with_suffix(".jpg").rename(path)


@pytest.mark.parametrize("orientation", [3, 6])
def test_poses_of_colmap_and_of_depth_cameras_are_of_the_stored_picture(tmp_path, orientation):
    for folder, pattern in (
        (colmap_project(tmp_path / "colmap"), "*.png"),
        (seven_scenes(tmp_path / "rgbd"), "*.color.png"),
    ):
        for photo in folder.rglob(pattern):
            tag(photo, orientation)
        off = differences(ingest(folder, PARAMS), walk())
        assert off["pixels"] < 6 and off["centers"] < 0.03, off


def test_color_whose_exif_alone_fits_the_depth_is_turned(tmp_path):
    folder = seven_scenes(tmp_path / "room")
    for photo in folder.rglob("*.color.png"):
        with Image.open(photo) as image:
            turned = image.transpose(Image.Transpose.ROTATE_90)  # what orientation 6 shows upright again
        turned.save(photo)
        tag(photo)
    off = differences(ingest(folder, PARAMS), walk())
    assert off["pixels"] < 6 and off["centers"] < 0.03, off
