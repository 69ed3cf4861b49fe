"""Every kind of file that Chorus reads of others: an honest sample, and what reads it."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from scipy.spatial.transform import Rotation

from chorus import io as chorus_io
from chorus.capture import Capture
from chorus.encoder.checkpoint import HeadConfig, ModelConfig, SceneModel, load_model, save_model
from chorus.encoder.inputs import InputConfig
from chorus.encoder.model import Encoder, EncoderConfig
from chorus.encoder.released import import_checkpoint
from chorus.errors import ChorusError
from chorus.incoming import read_options
from chorus.io.colmap import read_colmap
from chorus.params import load_params
from chorus.scene_list import read_scenes
from chorus.sources import ingest
from chorus.sources.clouds import read_cloud
from chorus.sources.depth import read_depth
from chorus.sources.images import load_mask, load_rgb, refuse_panorama, shown_size, value_range
from chorus.sources.label_names import read_labels
from chorus.sources.remote import fetched
from chorus.sources.sweethome3d.catalog import read_library
from chorus.sources.sweethome3d.cutout import slices
from chorus.sources.sweethome3d.home_xml import read_home
from chorus.sources.sweethome3d.models import ModelStore
from chorus.sources.video import sharpest_frames
from chorus.store import Store
from tests.unit.conftest import box_room
from tests.unit.io.splat_files import columns, write
from tests.unit.sources.test_layouts import write_colmap
from tests.unit.sources.test_real_folders import PARAMS, write_photos, write_rgbd
from tests.unit.sources.tiny_home import build_packages

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests/golden/splats"
_SMALL = replace(PARAMS, photo_long_side=48, rgbd_long_side=48, max_views=6)


@dataclass(frozen=True)
class Kind:
    """make writes a sample into an empty folder and returns what is read; files: which of them are damaged."""

    make: Callable[[Path], Path]
    read: Callable[[Path], object]
    files: str = "*"


def _golden(name: str) -> Kind:
    return Kind(lambda folder: Path(shutil.copy(GOLDEN / name, folder)), chorus_io.read_scene)


def _ply(**how) -> Kind:
    return Kind(lambda folder: write(folder / "a.ply", columns(40), **how), chorus_io.read_scene_or_points)


def _labelled(folder: Path) -> Path:
    """A .ply with labels and a unit, beside harmonics and doubles."""
    table = columns(40) | {f"f_rest_{i}": np.zeros(40) for i in range(9)} | {"label": np.arange(40) % 3}
    head = ('comment label_names ["a", "b", "c"]', "comment Vertical axis: y", "comment Unit: cm")
    return write(folder / "a.ply", table, types={"label": "i4", "x": "f8", "y": "f8", "z": "f8"}, head=head)


def _cloud(folder: Path) -> Path:
    table = {name: column for name, column in columns(40).items() if name in "xyz"}
    table |= {name: np.arange(40) for name in ("red", "green", "blue")} | {f"n{axis}": np.ones(40) for axis in "xyz"}
    return write(folder / "a.ply", table, types=dict.fromkeys(("red", "green", "blue"), "u1"))


def _read_cloud(path: Path) -> None:
    chorus_io.read_points(path)
    read_cloud(path)


def _sog_folder(folder: Path) -> Path:
    with zipfile.ZipFile(GOLDEN / "st.sog") as archive:
        archive.extractall(folder)
    return folder


def _written(name: str) -> Kind:
    def make(folder: Path) -> Path:
        chorus_io.write_scene(folder / name, chorus_io.read_scene(GOLDEN / "source.ply"))
        return folder / name

    return Kind(make, chorus_io.read_scene)


def _scene_splat(folder: Path) -> Path:
    chorus_io.write_npy_folder(folder, chorus_io.read_scene(GOLDEN / "source.ply"))
    arrays = {"segment": np.arange(64) % 5 - 1, "instance": np.zeros((64, 3), int), "normal": np.ones((64, 3))}
    arrays |= {"pc_coord": np.zeros((9, 3)), "pc_segment": np.arange(9), "lang_feat": np.ones((10, 6), np.float16)}
    arrays |= {"valid_feat_mask": np.ones(64), "lang_feat_index": np.arange(64) % 10}
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def _read_scene_splat(folder: Path) -> None:
    chorus_io.read_scene(folder)
    chorus_io.read_npy_features(folder)


def _interior(folder: Path) -> Path:
    shutil.copy(GOLDEN / "st.compressed.ply", folder / "3dgs_compressed.ply")
    corners = [{"x": x, "y": y, "z": z} for x in (0.0, 1.0) for y in (0.0, 1.0) for z in (0.0, 1.0)]
    items = [{"ins_id": str(i), "label": name, "bounding_box": corners} for i, name in enumerate(("sofa", "lamp"))]
    (folder / "labels.json").write_text(json.dumps(items))
    return folder


def _features(folder: Path) -> Path:
    chorus_io.write_features(folder / "a.safetensors", torch.ones(20, 4), info={"model": "x"})
    return folder / "a.safetensors"


def _room() -> Capture:
    return box_room(views=8, width=48, height=36, texture=9.0)


def _transforms(folder: Path) -> Path:
    room = _room()
    write_photos(folder / "a", room, ply_file_path="cloud.ply", k1=0.01, camera_model="OPENCV")
    spec = json.loads((folder / "a/transforms.json").read_text())
    for view, frame in enumerate(spec["frames"]):
        Image.fromarray((room.depth[view] * 1000).astype(np.uint16)).save(folder / f"a/{view}.png")
        frame |= {"depth_file_path": f"{view}.png", "mask_path": "mask.png"}
    Image.fromarray(np.full((36, 48), 255, np.uint8)).save(folder / "a/mask.png")
    write(folder / "a/cloud.ply", {axis: columns(40)[axis] for axis in "xyz"})
    (folder / "a/transforms.json").write_text(json.dumps(spec))
    return folder / "a"


def _ingest(folder: Path) -> Capture:
    return ingest(folder, _SMALL)


def _flat(folder: Path) -> Path:
    return write_rgbd(folder / "a", _room())


def _scannet(folder: Path) -> Path:
    room, place = _room(), folder / "a"
    for name in ("color", "depth", "pose", "label", "instance"):
        (place / name).mkdir(parents=True)
    for which in ("color", "depth"):
        np.savetxt(place / f"intrinsics_{which}.txt", room.cameras.K[0])
    for view, pose in enumerate(room.cameras.world_from_cam):
        layers = {"depth": (room.depth[view] * 1000).astype(np.uint16), "label": room.semantic[view]}
        layers |= {"color": room.images[view], "instance": room.instance[view]}
        for name, layer in layers.items():
            Image.fromarray(layer).save(place / name / f"{view}.png")
        np.savetxt(place / "pose" / f"{view}.txt", pose)
    (place / "scannetv2-labels.combined.tsv").write_text(
        "id\traw_category\tnyu40id\n1\twall\t1\n2\tfloor\t2\n3\tx\t40\n"
    )
    return place


def _tum(folder: Path) -> Path:
    room, place = _room(), folder / "a"
    lines = {"rgb": ["# c"], "depth": ["# c"], "groundtruth": ["# c"]}
    for name in ("rgb", "depth"):
        (place / name).mkdir(parents=True)
    np.savetxt(place / "camera-intrinsics.txt", room.cameras.K[0])
    for view, pose in enumerate(room.cameras.world_from_cam):
        time = 100 + 0.1 * view
        Image.fromarray(room.images[view]).save(place / f"rgb/{time}.png")
        Image.fromarray((room.depth[view] * 5000).astype(np.uint16)).save(place / f"depth/{time}.png")
        for name in ("rgb", "depth"):
            lines[name].append(f"{time} {name}/{time}.png")
        pose = [time, *pose[:3, 3], *Rotation.from_matrix(pose[:3, :3]).as_quat()]
        lines["groundtruth"].append(" ".join(map(str, pose)))
    for name, content in lines.items():
        (place / f"{name}.txt").write_text("\n".join(content))
    return place


def _replica(folder: Path) -> Path:
    room, place = _room(), folder / "a"
    (place / "results").mkdir(parents=True)
    for view in range(len(room)):
        Image.fromarray(room.images[view]).save(place / f"results/frame{view:06d}.png")
        Image.fromarray((room.depth[view] * 6553.5).astype(np.uint16)).save(place / f"results/depth{view:06d}.png")
    np.savetxt(place / "traj.txt", room.cameras.world_from_cam.reshape(-1, 16))
    K = room.cameras.K[0]
    camera = {"fx": K[0, 0], "fy": K[1, 1], "cx": K[0, 2], "cy": K[1, 2], "scale": 6553.5}
    (place / "cam_params.json").write_text(json.dumps({"camera": camera}))
    return place


def _colmap(*, binary: bool) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        write_colmap(folder, binary=binary)
        return folder

    return make


def _colmap_project(folder: Path) -> Path:
    from chorus.io.colmap_project import write_colmap as write_project

    write_project(folder / "a", replace(_room(), points=np.random.default_rng(0).uniform(-1, 1, (60, 3))))
    return folder / "a"


def _saved_capture(folder: Path) -> Path:
    replace(_room(), points=np.ones((5, 3), np.float32)).save(folder / "a")
    return folder / "a"


def _packages(folder: Path) -> Path:
    return build_packages(folder) / "packages/usr/share/sweethome3d"


def _read_home(share: Path) -> None:
    home = read_home(share / "sweethome3d.jar", "Tiny")
    for item in home.items:
        slices(item.cut_out)


def _read_library(share: Path) -> None:
    models = read_library(share / "furniture/Scopia.sh3f")
    store = ModelStore(share / "absent/cache")
    for model in list(models.values())[:2]:
        store.load(model.archive, model.path, model.rotation)


def _archive(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("room/a.txt", "x" * 1000)
        archive.writestr("room/b.bin", bytes(3000))
    return folder / "a.zip"


def _fetch(path: Path) -> None:
    root = path.parent / "root"
    try:
        fetched(f"file://{path}", Store(root), "a")
    finally:
        outside = [p for p in path.parent.rglob("*") if not p.is_relative_to(root) and p != path]
        shutil.rmtree(root, ignore_errors=True)
        if outside:
            raise AssertionError(f"written outside: {outside}")


def _picture(name: str, mode: str = "RGB", **how) -> Kind:
    def make(folder: Path) -> Path:
        image = Image.fromarray(_room().images[0])
        if mode == "I;16":
            image = Image.fromarray((_room().depth[0] * 1000).astype(np.uint16))
        exif = Image.Exif()
        exif[0x0112] = 6
        image.convert(mode).save(folder / name, exif=exif, **how) if mode != "I;16" else image.save(
            folder / name, **how
        )
        return folder / name

    return Kind(make, _look)


def _look(path: Path) -> None:
    """What is asked of a picture, be it one of depth; each question by itself, for a refusal would hide the next."""
    for ask in (
        lambda: load_rgb(path, size=(48, 36), deep=value_range([path])),
        lambda: load_mask(path),
        lambda: read_depth(path),
        lambda: shown_size(path),
        lambda: refuse_panorama(path),
    ):
        try:
            ask()
        except (ChorusError, OSError):
            continue


def _labels(folder: Path) -> Path:
    _scannet(folder)
    return folder / "a"


def _read_labels(folder: Path) -> None:
    labels = read_labels(folder)
    labels.of_image(folder / "label/0.png", (24, 18))
    labels.instances(folder / "instance/0.png", (24, 18))


def _checkpoint(folder: Path) -> Path:
    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig(channels=(16, 32), depths=(1, 1), heads=(1, 2)))
    torch.save({"state_dict": {f"backbone.{name}": x for name, x in encoder.state_dict().items()}}, folder / "a.pth")
    return folder / "a.pth"


def _model(folder: Path) -> Path:
    config = ModelConfig(
        encoder=EncoderConfig(channels=(16, 32), depths=(1, 1), heads=(1, 2)),
        inputs=InputConfig(variant="splats", grid_size=0.1),
        heads={"lang": HeadConfig(channels=8, width=16, teacher="x")},
    )
    save_model(SceneModel(config), folder)
    return folder


def _video(folder: Path) -> Path:
    out = cv2.VideoWriter(str(folder / "a.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (48, 36))
    for image in _room().images.repeat(3, axis=0):
        out.write(image)
    out.release()
    return folder / "a.avi"


def _read_video(path: Path) -> None:
    try:
        sharpest_frames(path, path.parent / "out", most=4)
    finally:
        shutil.rmtree(path.parent / "out", ignore_errors=True)


def _text(name: str, content: str, read: Callable[[Path], object]) -> Kind:
    def make(folder: Path) -> Path:
        (folder / name).write_text(content)
        return folder / name

    return Kind(make, read)


_SCENES = """furniture: {a: [Scopia]}
scenes:
- {id: one, home: Tiny, room: 0, furniture: a, light: day, split: train}
- {id: two, home: Tiny, room: 1, seed: 3, split: held_out, domain: second}
generated: {count: 3, seed: 1, kinds: [bedroom, hall]}
"""
KINDS: dict[str, Kind] = {
    "ply": _ply(),
    "ply-ascii": _ply(format="ascii"),
    "ply-big-endian": _ply(format="binary_big_endian"),
    "ply-labelled": Kind(_labelled, chorus_io.read_scene),
    "ply-points": Kind(_cloud, _read_cloud),
    "ply-compressed": _golden("st.compressed.ply"),
    "spz-gzip": _golden("st_v3.spz"),
    "spz-zstd": _golden("st_v4.spz"),
    "sog": _golden("st.sog"),
    "sog-folder": Kind(_sog_folder, chorus_io.read_scene),
    "splat": _written("a.splat"),
    "npy-folder": Kind(_scene_splat, _read_scene_splat),
    "interior-gs": Kind(_interior, chorus_io.read_scene, files="labels.json"),
    "safetensors": Kind(_features, chorus_io.read_features),
    "transforms": Kind(_transforms, _ingest, files="a/**/*"),
    "transforms-json": Kind(_transforms, _ingest, files="a/transforms.json"),
    "colmap-bin": Kind(_colmap(binary=True), read_colmap),
    "colmap-txt": Kind(_colmap(binary=False), read_colmap),
    "colmap-project": Kind(_colmap_project, _ingest, files="a/sparse/0/*"),
    "rgbd-flat": Kind(_flat, _ingest, files="a/*"),
    "rgbd-scannet": Kind(_scannet, _ingest, files="a/**/*"),
    "rgbd-tum": Kind(_tum, _ingest, files="a/**/*"),
    "rgbd-replica": Kind(_replica, _ingest, files="a/**/*"),
    "labels": Kind(_labels, _read_labels, files="a/**/*[0v]*.*"),
    "capture": Kind(_saved_capture, Capture.load, files="a/**/*"),
    "home": Kind(_packages, _read_home, files="**/sweethome3d.jar"),
    "library": Kind(_packages, _read_library, files="**/*.sh3f"),
    "zip": Kind(_archive, _fetch),
    "png": _picture("a.png"),
    "png-16": _picture("a.png", "I;16"),
    "jpeg": _picture("a.jpg"),
    "tiff": _picture("a.tif", compression="tiff_lzw"),
    "tiff-float": _picture("a.tif", "F"),
    "webp": _picture("a.webp"),
    "bmp": _picture("a.bmp"),
    "video": Kind(_video, _read_video),
    "pth": Kind(_checkpoint, import_checkpoint),
    "model": Kind(_model, load_model),
    "options": _text("a.yaml", "up: y\nscale: 0.01\ndepth_scale: 1000\n", read_options),
    "scenes": _text("scenes.yaml", _SCENES, read_scenes),
    "params": _text("params.yaml", (ROOT / "params.yaml").read_text(), load_params),
}
