"""Files written by splat-transform 2.7.1 (st) and gsply 0.4.6 from golden/splats/source.ply, and round trips."""

import gzip
import io
import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import zstandard
from PIL import Image
from scipy.spatial import cKDTree

from chorus.encoder.inputs import rotation_matrices
from chorus.errors import InputError
from chorus.io import read_scene, write_scene
from chorus.moving import move, upright_as_file
from chorus.scene import GaussianScene, SplatLabels

GOLDEN = Path(__file__).parents[2] / "golden/splats"
TURNED = np.diag([1.0, -1.0, -1.0])  # splat-transform turns what it writes as .spz
STEPS = {"ply": (0.003, 0.004, 0.003, 0.02, 0.018), "spz": (2e-4, 0.032, 0.003, 0.16, 0.07)}
STEPS["exact"] = (1e-6, 1e-5, 1e-5, 1e-5, 1e-5)


@pytest.fixture(scope="module")
def source() -> GaussianScene:
    return read_scene(GOLDEN / "source.ply")


def covariances(scene: GaussianScene) -> torch.Tensor:
    axes = rotation_matrices(scene.unit_quats) * scene.scales[:, None]
    return axes @ axes.transpose(1, 2)


def agree(found: GaussianScene, expected: GaussianScene, step: tuple[float, ...]) -> None:
    """Gaussian by Gaussian (nearest position), within a format's quantisation: position, log-scale, opacity, colour,
    harmonics."""
    position, size, opacity, color, rest = step
    distance, index = cKDTree(found.means.numpy()).query(expected.means.numpy())
    assert len(found) == len(expected) and len(set(index)) == len(expected) and distance.max() < position
    found = found.select(torch.from_numpy(index))
    shape = covariances(expected).flatten(1).norm(dim=1)
    off = (covariances(found) - covariances(expected)).flatten(1).norm(dim=1) / shape
    assert float(off.max()) < 2.5 * size + 0.02
    assert float((found.opacities - expected.opacities).abs().max()) < opacity
    assert float((found.sh[:, 0] - expected.sh[:, 0]).abs().max()) < color
    torch.testing.assert_close(found.sh[:, 1:], expected.sh[:, 1:], atol=rest, rtol=0)


@pytest.mark.parametrize(
    ("name", "step", "turn"),
    [
        ("st.compressed.ply", "ply", np.eye(3)),
        ("gsply.compressed.ply", "ply", np.eye(3)),
        ("gsply_v3.spz", "spz", np.eye(3)),
        ("gsply_v4.spz", "spz", np.eye(3)),
        ("st_v3.spz", "spz", TURNED),
        ("st_v4.spz", "spz", TURNED),
    ],
)
def test_files_of_other_tools(source, name, step, turn):
    agree(read_scene(GOLDEN / name), move(source, turn=turn), STEPS[step])


def test_sog_reads_as_its_own_tool_reads_it(tmp_path):
    expected = read_scene(GOLDEN / "st_sog_decoded.ply")
    agree(read_scene(GOLDEN / "st.sog"), expected, STEPS["exact"])
    with zipfile.ZipFile(GOLDEN / "st.sog") as archive:
        archive.extractall(tmp_path / "folder")
    with zipfile.ZipFile(tmp_path / "nested.zip", "w") as archive:
        for file in (tmp_path / "folder").iterdir():
            archive.write(file, f"scene/{file.name}")
    for place in ("folder", "folder/meta.json", "nested.zip"):
        agree(read_scene(tmp_path / place), expected, STEPS["exact"])


@pytest.mark.parametrize(("name", "step"), [("a.compressed.ply", "ply"), ("a.spz", "spz"), ("a.ply", "exact")])
@pytest.mark.parametrize("degree", [0, 1, 3])
def test_round_trips(tmp_path, source, name, step, degree):
    draw = torch.Generator().manual_seed(1)
    sh = torch.randn(64, (degree + 1) ** 2, 3, generator=draw).clamp(-0.9, 0.9)
    scene = GaussianScene(**{**source.tensors(), "sh": sh})
    for again in ("once", "twice"):
        (tmp_path / again).mkdir()
        write_scene(tmp_path / again / name, scene)
    agree(read_scene(tmp_path / "once" / name), scene, STEPS[step])
    assert (tmp_path / "once" / name).read_bytes() == (tmp_path / "twice" / name).read_bytes()


def test_packed_chunks_of_any_number(tmp_path):
    draw = torch.Generator().manual_seed(2)
    for n in (1, 255, 257, 600):
        scene = GaussianScene(
            means=torch.rand(n, 3, generator=draw) * 3,
            quats=torch.randn(n, 4, generator=draw),
            log_scales=torch.rand(n, 3, generator=draw) - 4,
            opacity_logits=torch.randn(n, generator=draw),
            sh=torch.randn(n, 1, 3, generator=draw) * 0.3,
        )
        write_scene(tmp_path / "a.compressed.ply", scene)
        agree(read_scene(tmp_path / "a.compressed.ply"), scene, STEPS["ply"])


def test_a_wide_scene_in_spz_has_coarser_steps(tmp_path, source):
    scene = upright_as_file(move(source, scale=1000.0))
    write_scene(tmp_path / "a.spz", scene)
    agree(read_scene(tmp_path / "a.spz"), scene, (0.01, *STEPS["spz"][1:]))


def test_labels_go_out_and_come_back(tmp_path, source):
    labels = SplatLabels(
        label=torch.arange(64, dtype=torch.int32) % 3 - 1,
        instance=torch.arange(64, dtype=torch.int32),
        score=torch.linspace(0, 1, 64),
        names=("a chair", 'the "big" table'),
    )
    scene = GaussianScene(**source.tensors(), labels=labels)
    write_scene(tmp_path / "a.ply", scene.select(torch.arange(10, 60)))
    found = read_scene(tmp_path / "a.ply").labels
    assert found.names == labels.names and torch.equal(found.label, labels.label[10:60])
    assert torch.equal(found.instance, labels.instance[10:60]) and torch.equal(found.score, labels.score[10:60])
    assert read_scene(GOLDEN / "source.ply").labels is None


def records(*parts: tuple[int, bytes]) -> bytes:
    return b"".join(struct.pack("<II", kind, len(payload)) + payload for kind, payload in parts)


def with_extension(name: str, extra: bytes) -> bytes:
    """The golden .spz of version 3 or 4 with extension records."""
    content = (GOLDEN / name).read_bytes()
    if name.endswith("v3.spz"):
        raw = bytearray(gzip.decompress(content))
        raw[14] |= 2
        return gzip.compress(bytes(raw) + extra)
    raw = bytearray(content[:32])
    raw[14] |= 2
    raw[16:20] = struct.pack("<I", 32 + len(extra))
    return bytes(raw) + extra + content[32:]


@pytest.mark.parametrize("name", ["gsply_v3.spz", "gsply_v4.spz"])
@pytest.mark.parametrize(
    ("number", "up", "mirrored"),
    [
        (4, (0, 1, 0), False),
        (6, (0, -1, 0), False),
        (12, (0, 0, 1), False),
        (7, (0, 1, 0), False),
        (3, (0, 1, 0), True),
    ],
)  # RUB, RDF, RFU, LUF, LUB
def test_the_coordinate_system_a_spz_declares(tmp_path, source, name, number, up, mirrored):
    extra = records((0x12340001, b"unknown"), (0xADBE0003, struct.pack("<I", number)))
    (tmp_path / "a.spz").write_bytes(with_extension(name, extra))
    scene = read_scene(tmp_path / "a.spz")
    assert scene.report.up == up
    agree(scene, move(source, turn=np.diag([-1.0 if mirrored else 1.0, 1.0, 1.0])), STEPS["spz"])
    (tmp_path / "bad.spz").write_bytes(with_extension(name, records((0xADBE0003, struct.pack("<I", 17)))))
    with pytest.raises(InputError, match="coordinate system below 17"):
        read_scene(tmp_path / "bad.spz")


def old_spz(source: GaussianScene, version: int) -> bytes:
    """Versions 1 (half floats) and 2 (fixed point), rotations as three bytes of xyz."""
    means = source.means.numpy()
    fixed = np.rint(means * 4096).astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    quats = source.unit_quats.numpy()
    body = means.astype("<f2").tobytes() if version == 1 else fixed
    body += np.rint(source.opacities.numpy() * 255).astype(np.uint8).tobytes()
    body += np.rint((source.sh[:, 0].numpy() * 0.15 + 0.5) * 255).clip(0, 255).astype(np.uint8).tobytes()
    body += np.rint((source.log_scales.numpy() + 10) * 16).astype(np.uint8).tobytes()
    body += np.rint((quats[:, 1:] + 1) * 127.5).astype(np.uint8).tobytes()
    return gzip.compress(struct.pack("<IIIBBBB", 0x5053474E, version, len(means), 0, 12, 0, 0) + body)


@pytest.mark.parametrize("version", [1, 2])
def test_old_spz(tmp_path, source, version):
    (tmp_path / "a.spz").write_bytes(old_spz(source, version))
    found = read_scene(tmp_path / "a.spz")
    np.testing.assert_allclose(found.means, source.means, atol=2e-3)
    np.testing.assert_allclose(found.log_scales, source.log_scales, atol=0.032)
    turned = (found.unit_quats * source.unit_quats).sum(dim=1).abs()
    assert float(turned.min()) > 0.99


def spz_header(count: int, version: int = 2, degree: int = 0) -> bytes:
    return struct.pack("<IIIBBBB", 0x5053474E, version, count, degree, 12, 0, 0)


def v4(count: int, streams: list[bytes], promised: list[int]) -> bytes:
    head = struct.pack("<IIIBBBBI", 0x5053474E, 4, count, 0, 12, 0, len(streams), 32) + bytes(12)
    table = b"".join(struct.pack("<QQ", len(s), p) for s, p in zip(streams, promised, strict=True))
    return head + table + b"".join(streams)


ZEROS = zstandard.compress(bytes(10_000_000))
BAD_SPZ = {
    "empty": (b"", "an .spz file"),
    "text": (b"hello", "an .spz file"),
    "header alone": (gzip.compress(b"NGSP\x02\0\0\0"), "an .spz file"),
    "cut": (gzip.compress(spz_header(100) + bytes(50))[:-12], "bytes of 100 Gaussians|gzip"),
    "too few": (gzip.compress(spz_header(100) + bytes(50)), "1900 bytes of 100 Gaussians, got 50"),
    "promise": (gzip.compress(spz_header(4_000_000_000)), "times the file's size"),
    "bomb": (gzip.compress(spz_header(5_000_000) + bytes(95_000_000)), "times the file's size"),
    "degree 4": (gzip.compress(spz_header(1, degree=4) + bytes(99)), "degree 3 at most.*filter-harmonics"),
    "version 9": (gzip.compress(spz_header(1, 9) + bytes(99)), "got version 9"),
    "v4 cut": ((GOLDEN / "st_v4.spz").read_bytes()[:-40], "zstd|bytes of"),
    "v4 bomb": (v4(10, [ZEROS] * 5, [90, 10, 30, 30, 40]), "90 bytes of means"),
    "v4 promise": (v4(10, [ZEROS] * 5, [2**60] * 5), "90 bytes of means"),
    "v4 table": (v4(10, [b""] * 2, [0, 0]), "table of 5 streams"),
}


@pytest.mark.parametrize("kind", BAD_SPZ)
def test_bad_spz_is_one_line(tmp_path, kind):
    content, message = BAD_SPZ[kind]
    (tmp_path / "a.spz").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_scene(tmp_path / "a.spz")
    assert "\n" not in str(caught.value)


def rewritten(tmp_path: Path, change) -> Path:
    """The golden .sog with its meta.json and files changed by change(meta, files)."""
    with zipfile.ZipFile(GOLDEN / "st.sog") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    meta = json.loads(files["meta.json"])
    change(meta, files)
    files["meta.json"] = meta if isinstance(meta, bytes) else json.dumps(meta).encode()
    with zipfile.ZipFile(tmp_path / "a.sog", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return tmp_path / "a.sog"


def picture(width: int, height: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGBA", (width, height)).save(out, "WEBP", lossless=True)
    return out.getvalue()


BAD_SOG = {
    "version": (lambda meta, files: meta.update(version=1), "SOG version 2, got version 1"),
    "no means": (lambda meta, files: meta.pop("means"), "entries of SOG"),
    "outside": (lambda meta, files: meta["quats"].update(files=["../../etc/passwd"]), "plain file names"),
    "absolute": (lambda meta, files: meta["quats"].update(files=["/etc/passwd"]), "plain file names"),
    "no file": (lambda meta, files: files.pop("quats.webp"), "quats.webp in the archive"),
    "count": (lambda meta, files: meta.update(count=2**60), "pixels"),
    "no end": (lambda meta, files: meta.update(count=float("inf")), "entries of SOG"),
    "no number": (lambda meta, files: meta.update(count="many"), "entries of SOG"),
    "code book": (lambda meta, files: meta["sh0"].update(codebook=[1.0]), "entries of SOG"),
    "no picture": (lambda meta, files: files.update({"sh0.webp": b"nothing"}), "a WebP picture"),
    "huge picture": (lambda meta, files: files.update({"sh0.webp": picture(4000, 4000)}), "at most .* pixels"),
    "centroids": (lambda meta, files: meta["shN"].update(count=1), "centroids"),
}


@pytest.mark.parametrize("kind", BAD_SOG)
def test_bad_sog_is_one_line(tmp_path, kind):
    change, message = BAD_SOG[kind]
    with pytest.raises(InputError, match=message) as caught:
        read_scene(rewritten(tmp_path, change))
    assert "\n" not in str(caught.value)


def test_a_bundle_that_is_none(tmp_path):
    for content in (b"", b"nothing", gzip.compress(b"NGSP")):
        (tmp_path / "a.sog").write_bytes(content)
        with pytest.raises(InputError, match="a whole zip archive"):
            read_scene(tmp_path / "a.sog")


def test_a_zip_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("chorus.io.archive.MOST", 100_000)
    with pytest.raises(InputError, match="at most 100000 bytes"):
        read_scene(rewritten(tmp_path, lambda meta, files: files.update({"means_l.webp": bytes(10_000_000)})))


def test_a_link_that_leads_out_of_the_folder(tmp_path):
    folder = tmp_path / "folder"
    with zipfile.ZipFile(GOLDEN / "st.sog") as archive:
        archive.extractall(folder)
    (folder / "quats.webp").rename(tmp_path / "elsewhere.webp")
    (folder / "quats.webp").symlink_to(tmp_path / "elsewhere.webp")
    with pytest.raises(InputError, match="a file of this folder"):
        read_scene(folder)


@pytest.mark.parametrize("suffix", [".ksplat", ".lcc"])
def test_foreign_formats_are_refused_with_what_to_do(tmp_path, suffix):
    (tmp_path / f"a{suffix}").write_bytes(b"x")
    with pytest.raises(InputError, match=rf"got {suffix}. Convert it: splat-transform a{suffix} a.ply"):
        read_scene(tmp_path / f"a{suffix}")


@pytest.mark.parametrize(("suffix", "tool"), [(".gz", "gunzip"), (".7z", "7z x")])
def test_compressed_files_are_refused_with_what_unpacks_them(tmp_path, suffix, tool):
    (tmp_path / f"a.ply{suffix}").write_bytes(b"x")
    with pytest.raises(InputError, match=rf"got {suffix}. Unpack it first: {tool} a.ply{suffix}"):
        read_scene(tmp_path / f"a.ply{suffix}")


def test_packed_files_that_lack_something(tmp_path):
    content = (GOLDEN / "st.compressed.ply").read_bytes()
    for old, new, message in (
        (b"min_scale_x", b"min_skale_x", "bounds of scales"),
        (b"packed_scale", b"packed_skale", "no packed_scale"),
        (b"element chunk", b"element chank", "no element chunk"),
    ):
        (tmp_path / "a.ply").write_bytes(content.replace(old, new))
        with pytest.raises(InputError, match=message):
            read_scene(tmp_path / "a.ply")
    (tmp_path / "a.ply").write_bytes(content[:-100])
    with pytest.raises(InputError, match="cut off"):
        read_scene(tmp_path / "a.ply")
