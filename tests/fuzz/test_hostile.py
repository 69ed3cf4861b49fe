"""Files made to do harm: each is refused in one line, in no time and in no memory to speak of, and reaches nothing."""

import io
import json
import os
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chorus import io as chorus_io
from chorus.errors import ChorusError, InputError
from chorus.files import find_file, open_picture, read_file
from chorus.incoming import read_options
from chorus.io.archive import MOST, open_zip, read_entry
from chorus.io.colmap import read_colmap
from chorus.io.npy import read_npy, read_npz
from chorus.json_files import read_json
from chorus.sources import ingest
from chorus.sources.depth import read_depth
from chorus.sources.images import load_rgb
from chorus.sources.layouts import find_layout
from chorus.sources.remote import fetched
from chorus.sources.sweethome3d.home_xml import parse_home
from chorus.sources.sweethome3d.models import ModelStore
from chorus.sources.video import sharpest_frames
from chorus.store import Store
from tests.fuzz import kinds
from tests.unit.sources.test_real_folders import PARAMS

ROOM = 50 * 2**20  # bytes that a refusal may take


def refused(read, match: str | None = None) -> str:
    """What a reader says; it takes no memory to say it."""
    tracemalloc.start()
    try:
        with pytest.raises(ChorusError, match=match) as caught:
            read()
        assert tracemalloc.get_traced_memory()[1] < ROOM
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("count", [2**31, 2**60, 2**64 - 1])
@pytest.mark.parametrize("format", ["ascii", "binary_little_endian"])
def test_a_ply_that_promises_more_than_it_holds(tmp_path, count, format):
    lines = ["ply", f"format {format} 1.0", f"element vertex {count}"]
    lines += [f"property float {axis}" for axis in "xyz"] + ["end_header", "0 0 0\n"]
    (tmp_path / "a.ply").write_text("\n".join(lines))
    refused(lambda: chorus_io.read_scene_or_points(tmp_path / "a.ply"), f"expected {count} rows")


@pytest.mark.parametrize("count", [2**31, 2**32 - 1])
def test_an_spz_that_promises_more_than_it_holds(tmp_path, count):
    packed = zlib.compressobj(wbits=31)
    head = struct.pack("<IIIBBBB", 0x5053474E, 3, count, 3, 12, 0, 0)
    (tmp_path / "a.spz").write_bytes(packed.compress(head + bytes(2**20)) + packed.flush())
    refused(lambda: chorus_io.read_scene(tmp_path / "a.spz"), "times the file's size")


def test_points_of_colmap_that_are_only_promised(tmp_path):
    for name in ("cameras", "images"):
        (tmp_path / f"{name}.bin").write_bytes(struct.pack("<Q", 0))
    (tmp_path / "points3D.bin").write_bytes(struct.pack("<Q", 2**60))
    refused(lambda: read_colmap(tmp_path), "points3D.bin.*points in 8 bytes")


def npy(shape: str, kind: str = "<f8") -> bytes:
    head = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (npy("(1152921504606846976,)"), "numbers in"),
        (npy("(4294967296, 4294967296)"), "numbers in"),
        (npy("(-1, 4)"), "numbers in|shape"),
        (npy("(1,)", "|O"), "Python objects"),
        (npy("(" * 60), "array"),
        (b"\x93NUMPY\x09\x00" + bytes(64), "version|magic"),
        (b"", "array"),
    ],
)
def test_arrays_that_are_only_promised(tmp_path, head, says):
    (tmp_path / "a.npy").write_bytes(head + bytes(64))
    refused(lambda: read_npy(tmp_path / "a.npy"), says)
    refused(lambda: read_npy(tmp_path / "a.npy", mapped=True), says)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", head + bytes(64))
    refused(lambda: read_npz(tmp_path / "a.npz"), says)


def test_a_zip_that_unpacks_to_gigabytes(tmp_path):
    """Three layers of it: an entry of a bundle, a texture's, and an archive by URL that says so itself."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("meta.json", "w") as out:
        for _ in range(MOST // 2**20 + 2):
            out.write(bytes(2**20))
    assert path.stat().st_size < 2**20
    with open_zip(path) as archive, pytest.raises(InputError, match="meta.json: expected at most"):
        read_entry(archive, "meta.json")
    with pytest.raises(InputError, match="meta.json: expected at most"):
        chorus_io.read_scene(path)
    with pytest.raises(InputError, match="unpack to at most"):
        fetched(f"file://{path}", Store(tmp_path / "work"), "a")
    assert not list((tmp_path / "work").rglob("*.json"))


@pytest.mark.parametrize("name", ["../a.txt", "/tmp/a.txt", "x/../../a.txt", "..\\a.txt", "C:\\a.txt", "C:/a.txt"])
def test_archives_that_lead_outside(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), "x")
    with pytest.raises(InputError, match="names inside the folder"):
        fetched(f"file://{tmp_path / 'a.zip'}", Store(tmp_path / "work"), "a")
    assert sorted(path.name for path in tmp_path.rglob("*.txt")) == []


def test_links_in_archives_are_no_links_any_more(tmp_path):
    link = zipfile.ZipInfo("room/photos")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc")
        archive.writestr("room/a.txt", "x")
    found = fetched(f"file://{tmp_path / 'a.zip'}", Store(tmp_path / "work"), "a")
    assert not any(path.is_symlink() for path in (found, *found.rglob("*")))
    assert (found / "photos").read_text() == "/etc"


@pytest.mark.parametrize("named", ["../../secret.png", "{secret}", "..\\..\\secret.png", "a/../../../secret.png"])
def test_a_file_of_poses_names_nothing_outside_its_folder(tmp_path, named):
    (tmp_path / "x/y").mkdir(parents=True)
    place = kinds.KINDS["transforms"].make(tmp_path / "x/y")
    secret = tmp_path / "x/secret.png"
    Image.new("RGB", (48, 36), "red").save(secret)
    spec = json.loads((place / "transforms.json").read_text())
    for frame in spec["frames"]:
        frame["file_path"] = named.format(secret=secret)
    (place / "transforms.json").write_text(json.dumps(spec))
    refused(lambda: ingest(place, PARAMS), "photos absent")


def test_a_table_of_frames_names_nothing_outside_its_folder(tmp_path):
    place = kinds.KINDS["rgbd-tum"].make(tmp_path)
    text = (place / "rgb.txt").read_text()
    (place / "rgb.txt").write_text(text.replace("rgb/", "../outside/"))
    os.rename(place / "rgb", tmp_path / "outside")
    assert not any(frame.color.exists() for frame in find_layout(place).frames)


READERS = {
    "a.ply": chorus_io.read_scene,
    "a.splat": chorus_io.read_scene,
    "a.spz": chorus_io.read_scene,
    "a.sog": chorus_io.read_scene,
    "a.zip": chorus_io.read_scene,
    "a.safetensors": chorus_io.read_features,
    "a.npy": read_npy,
    "a.npz": read_npz,
    "a.json": read_json,
    "a.mp4": lambda path: sharpest_frames(path, path.parent, most=3) if path.is_file() else ingest(path, PARAMS),
}
PICTURES = {"a.png": load_rgb, "a.jpg": load_rgb, "a.tif": read_depth, "b.npy": read_depth, "b.txt": read_file}


@pytest.mark.parametrize("name", [*READERS, *PICTURES])
@pytest.mark.parametrize("what", ["/dev/zero", "pipe", "folder"])
def test_devices_and_pipes_are_no_files(tmp_path, name, what):
    """Reading /dev/zero never ends, and a pipe nobody writes to waits for ever."""
    path = tmp_path / name
    if what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    else:
        path.symlink_to(what)
    if name in READERS:
        refused(lambda: READERS[name](path))
    else:
        with pytest.raises(OSError, match=r"not a file|no such|a folder, a device or a pipe"):
            PICTURES[name](path)


def png(width: int, height: int) -> bytes:
    """A grey picture of any size in a few hundred kilobytes at most."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    packed, rows = zlib.compressobj(9), b"\0" * (width + 1) * 64
    body = b"".join(packed.compress(rows) for _ in range(height // 64)) + packed.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def test_a_picture_of_16k_by_16k_is_refused_before_it_is_decoded(tmp_path):
    (tmp_path / "a.png").write_bytes(png(16384, 16384))
    assert (tmp_path / "a.png").stat().st_size < 2**19
    tracemalloc.start()
    for read in (load_rgb, read_depth):
        with pytest.raises(OSError, match="exceeds limit of 178956970 pixels"):
            read(tmp_path / "a.png")
    with pytest.raises(OSError, match="exceeds limit"), open_picture(io.BytesIO(png(16384, 16384))):
        pass
    assert tracemalloc.get_traced_memory()[1] < ROOM
    tracemalloc.stop()


LAUGHS = "<!DOCTYPE x [<!ENTITY a0 'ha'>{}]><home>&a{};</home>"


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS.format("".join(f"<!ENTITY a{i} '{f'&a{i - 1};' * 10}'>" for i in range(1, 30)), 29),
        "<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><home name='x'>&a;</home>",
        f"<!DOCTYPE x [<!ENTITY a '{'x' * 100_000}'>]><home>{'&a;' * 100_000}</home>",
        "<home>" * 50_000,
    ],
    ids=["laughs", "external", "quadratic", "deep"],
)
def test_entities_in_a_home(text):
    said = refused(lambda: parse_home(text.encode(), "a"))
    assert "root:" not in said


@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
def test_documents_that_are_endless_to_say(tmp_path, name):
    """Lists of lists of lists by name, in YAML; a hundred thousand brackets, in JSON."""
    laughs = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))
    (tmp_path / name).write_text(laughs if name == "a.yaml" else "[" * 100_000)
    refused(lambda: (read_options if name == "a.yaml" else read_json)(tmp_path / name))


def test_what_a_file_says_moves_no_cursor(tmp_path):
    (tmp_path / "a.ply").write_bytes(b"ply\n\x1b[2J\x1b]0;x\x07 format\nend_header\n")
    assert "\x1b" not in refused(lambda: chorus_io.read_scene(tmp_path / "a.ply"))


def test_a_face_with_a_thousand_corners_and_more(tmp_path):
    """Cutting ears off a star takes the cube of its corners: beyond a thousand it is refused."""
    turn = np.linspace(0, 2 * np.pi, 20_000, endpoint=False)
    reach = np.where(np.arange(len(turn)) % 2, 1.0, 0.5)
    corners = "".join(f"v {r * np.cos(t)} {r * np.sin(t)} 0\n" for r, t in zip(reach, turn, strict=True))
    face = "f " + " ".join(str(i + 1) for i in range(len(turn)))
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.obj", corners + face)
    with pytest.raises(InputError, match="a face of 20000 corners"):
        ModelStore(tmp_path).load(tmp_path / "a.zip", "a.obj", np.eye(3))


def test_a_path_is_no_name(tmp_path):
    for name in ("x" * 5000, "a\0b", "", "..", "/"):
        assert find_file(Path(tmp_path), name, suffixes=("", ".png")) is None
