"""Niantic's .spz (github.com/nianticlabs/spz): quantised Gaussians column by column, gzipped (versions 1 to 3) or each
column a zstd stream behind a plain header (version 4).

Positions: 24-bit fixed point (half floats in version 1); opacity, colour, log-scale and harmonics in bytes; rotations
xyz in bytes, since version 3 the three smallest of xyzw in 10 bits. Axes are those of the file it was made from unless
the extension of Adobe names them: files in the wild are not turned.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from chorus.errors import InputError
from chorus.files import read_file
from chorus.io.assemble import Columns, assemble
from chorus.io.packing import inflate, largest_of_four, logits, rounded, sigmoid, smallest_three
from chorus.moving import in_file_frame, move
from chorus.scene import GaussianScene
from chorus.store import atomic_file

_MAGIC = 0x5053474E
_HEAD = struct.Struct("<IIIBBBB")  # magic, version, Gaussians, degree, fractional bits, flags, streams of version 4
_HEAD_4 = 32  # bytes of version 4's header
_EXTENDED = 2  # flag: records (type, length, payload) follow
_AXES = 0xADBE0003  # type of the record that names the axes
_LETTERS = " LDB RDB LUB RUB LDF RDF LUF RUF LFD RFD LFU RFU LBD RBD LBU RBU".split(" ")  # where x, y, z point
_TOWARDS = {"R": (1, 0, 0), "L": (-1, 0, 0), "F": (0, 1, 0), "B": (0, -1, 0), "U": (0, 0, 1), "D": (0, 0, -1)}
_REST = (0, 3, 8, 15)  # harmonics of a degree beside the constant one
_COLOR = 0.15  # of one, in the units of a byte's whole range
_HALF = np.sqrt(0.5)
_LEAST, _DENSEST = 1 << 20, 200  # bytes, and times the file's size: what unpacking may make
_DAMAGED = "The file is cut off or damaged: copy it again."


@dataclass(frozen=True)
class _Head:
    version: int
    count: int
    degree: int
    bits: int  # after the point of a position
    extended: bool
    streams: int

    def sizes(self) -> dict[str, int]:
        """Bytes of each column, in the order of the file."""
        wide = {"means": 6 if self.version == 1 else 9, "opacity": 1, "rgb": 3, "scales": 3}
        wide |= {"quats": 4 if self.version >= 3 else 3, "sh": 3 * _REST[self.degree]}
        return {name: width * self.count for name, width in wide.items() if width}


def read_spz(path: Path) -> GaussianScene:
    """A scene from an .spz file. Raises InputError for what is no such file, is cut off or promises more than it
    holds."""
    path = Path(path)
    try:
        content = read_file(path)
    except OSError as error:
        raise InputError(path, expected="a readable .spz file", got=error.strerror or error) from error
    packed = content.startswith(b"\x1f\x8b")
    head, body, extra = _unzipped(path, content) if packed else _unstreamed(path, content)
    scene = assemble(path, _columns(head, body))
    axes = _axes(path, extra) if head.extended else ""
    return _in_axes(scene, axes) if axes else scene


def write_spz(path: Path, scene: GaussianScene) -> None:
    """Write a scene as .spz version 3, positions in steps of 1/4096 (coarser for wide scenes), less the frame's
    offset."""
    scene = in_file_frame(scene.validate(path).detached().to("cpu"))
    means = scene.means.double().numpy()
    reach = max(float(np.abs(means).max()), 1e-9)
    bits = int(np.clip(np.floor(np.log2((2**23 - 1) / reach)), 0, 12))
    if reach * 2**bits > 2**23 - 1:
        raise InputError(path, expected="positions below 8388607", got=f"{reach:.0f}", fix="Write a .ply.")
    fixed = np.rint(means * 2**bits).astype("<i4")
    three, largest = smallest_three(np.roll(scene.quats.double().numpy(), -1, axis=1))
    words = largest.astype(np.uint32) << 30
    for place, shift in enumerate((20, 10, 0)):
        value = three[:, place]
        words |= (rounded(np.abs(value) / _HALF, 511) | (value < 0).astype(np.uint32) << 9) << shift
    rest = scene.sh[:, 1:].reshape(len(scene), -1).double().numpy()
    columns = [
        fixed.view(np.uint8).reshape(-1, 4)[:, :3],
        rounded(sigmoid(scene.opacity_logits.double().numpy()), 255),
        np.clip(np.rint(scene.sh[:, 0].double().numpy() * _COLOR * 255 + 127.5), 0, 255),
        np.clip(np.rint((scene.log_scales.double().numpy() + 10) * 16), 0, 255),
        words.astype("<u4").view(np.uint8),
        np.clip(np.rint(rest * 128 + 128), 0, 255),
    ]
    head = _HEAD.pack(_MAGIC, 3, len(scene), scene.sh_degree, bits, 0, 0)
    body = b"".join(np.ascontiguousarray(column).astype(np.uint8).tobytes() for column in columns)
    with atomic_file(path) as temporary:
        temporary.write_bytes(gzip.compress(head + body, mtime=0))


def _unzipped(path: Path, content: bytes) -> tuple[_Head, dict[str, np.ndarray], bytes]:
    stream = zlib.decompressobj(wbits=31)
    try:
        head = _head(path, stream.decompress(content, _HEAD.size), len(content), most=3)
        sizes = head.sizes()
        body = inflate(stream, sum(sizes.values()))
        extra = inflate(stream, 4096) if head.extended else b""
    except zlib.error as error:
        raise InputError(path, expected="a gzipped .spz", got=error, fix=_DAMAGED) from error
    if len(body) < sum(sizes.values()):
        got = f"{len(body)} bytes"
        raise InputError(path, expected=f"{sum(sizes.values())} bytes of {head.count} Gaussians", got=got, fix=_DAMAGED)
    ends = np.cumsum(list(sizes.values()))
    whole = np.frombuffer(body, np.uint8)
    return head, dict(zip(sizes, np.split(whole, ends[:-1]), strict=True)), extra


def _unstreamed(path: Path, content: bytes) -> tuple[_Head, dict[str, np.ndarray], bytes]:
    import zstandard

    head = _head(path, content[: _HEAD.size], len(content), least=4)
    sizes = head.sizes()
    table = struct.unpack_from("<I", content, 16)[0] if len(content) >= _HEAD_4 else 0
    start = table + 16 * head.streams
    if head.streams != len(sizes) or not _HEAD_4 <= table or start > len(content):
        raise InputError(
            path, expected=f"a table of {len(sizes)} streams", got=f"one of {head.streams} at {table}", fix=_DAMAGED
        )
    body = {}
    for number, (name, size) in enumerate(sizes.items()):
        packed, promised = struct.unpack_from("<QQ", content, table + 16 * number)
        chunk = content[start : start + packed]
        start += packed
        try:
            # what a stream says of its own size is not believed: no more than ``size`` bytes are ever made
            made = zstandard.ZstdDecompressor().stream_reader(chunk).read(size + 1) if promised == size else b""
        except zstandard.ZstdError as error:
            raise InputError(path, expected=f"a zstd stream of {name}", got=error, fix=_DAMAGED) from error
        if len(made) != size:
            got = f"{len(made) if promised == size else promised}"
            raise InputError(path, expected=f"{size} bytes of {name} ({head.count} Gaussians)", got=got, fix=_DAMAGED)
        body[name] = np.frombuffer(made, np.uint8)
    return head, body, content[_HEAD_4:table]


def _head(path: Path, content: bytes, packed: int, *, least: int = 1, most: int = 4) -> _Head:
    if len(content) < _HEAD.size or (fields := _HEAD.unpack(content))[0] != _MAGIC:
        raise InputError(path, expected="an .spz file (gzip or NGSP)", got=repr(content[:8]), fix=_DAMAGED)
    _, version, count, degree, bits, flags, streams = fields
    if not least <= version <= most:
        raise InputError(
            path,
            expected=f"version {least} to {most} in this container",
            got=f"version {version}",
            fix="Write it anew with a current tool: splat-transform IN.spz OUT.ply.",
        )
    if degree >= len(_REST):
        raise InputError(
            path,
            expected="spherical harmonics of degree 3 at most",
            got=f"degree {degree}",
            fix="Drop the last band: splat-transform IN.spz --filter-harmonics 3 OUT.ply.",
        )
    if bits > 24:
        raise InputError(path, expected="24 fractional bits at most", got=bits, fix=_DAMAGED)
    if count == 0:
        raise InputError(path, expected="at least one Gaussian", got="none")
    head = _Head(version, count, degree, bits, bool(flags & _EXTENDED), streams)
    if (size := sum(head.sizes().values())) > max(_LEAST, _DENSEST * packed):
        got = f"{count} Gaussians ({size} bytes) in {packed} bytes"
        raise InputError(path, expected=f"at most {_DENSEST} times the file's size", got=got, fix=_DAMAGED)
    return head


def _columns(head: _Head, body: dict[str, np.ndarray]) -> Columns:
    n = head.count
    three = {name: body[name].reshape(n, -1) for name in ("rgb", "scales", "quats")}
    if head.version == 1:
        means = body["means"].view("<f2").reshape(n, 3).astype(np.float64)
    else:
        parts = body["means"].reshape(n, 3, 3).astype(np.int32)
        fixed = parts[..., 0] | parts[..., 1] << 8 | parts[..., 2] << 16
        means = (fixed - (fixed >> 23 << 24)) / 2.0**head.bits
    sh = ((three["rgb"] / 255.0 - 0.5) / _COLOR)[:, None]
    if head.degree:
        sh = np.concatenate([sh, (body["sh"].reshape(n, -1, 3) - 128.0) / 128.0], axis=1)
    return Columns(
        means=means,
        quats=_quats(three["quats"], head.version),
        log_scales=three["scales"] / 16.0 - 10.0,
        opacity_logits=logits(body["opacity"] / 255.0),
        sh=sh,
    )


def _quats(packed: np.ndarray, version: int) -> np.ndarray:
    """[N, 4] wxyz of bytes [N, 3 or 4]."""
    if version < 3:
        xyz = packed / 127.5 - 1.0
        return np.concatenate([np.sqrt(np.clip(1.0 - (xyz**2).sum(axis=1, keepdims=True), 0.0, None)), xyz], axis=1)
    words = np.ascontiguousarray(packed).view("<u4")[:, 0]
    parts = [(words >> shift & 511) / 511.0 * np.where(words >> shift & 512, -_HALF, _HALF) for shift in (20, 10, 0)]
    return np.roll(largest_of_four(np.stack(parts, axis=1), words >> 30), 1, axis=1)


def _in_axes(scene: GaussianScene, axes: str) -> GaussianScene:
    """The scene, its report saying where up is; one of left-handed axes is mirrored along x."""
    turn = np.array([_TOWARDS[letter] for letter in axes], float).T  # columns: where the file's axes point
    if np.linalg.det(turn) < 0:
        mirror = np.diag([-1.0, 1.0, 1.0])
        scene, turn = move(scene, turn=mirror), turn @ mirror
    return replace(scene, report=replace(scene.report, up=tuple(turn[2].tolist())))


def _axes(path: Path, records: bytes) -> str:
    """The three letters of the coordinate system a file declares; empty where it declares none."""
    while len(records) >= 8:
        kind, size = struct.unpack_from("<II", records)
        payload, records = records[8 : 8 + size], records[8 + size :]
        if kind == _AXES:
            number = struct.unpack("<I", payload)[0] if len(payload) == 4 else len(_LETTERS)
            if number >= len(_LETTERS):
                raise InputError(path, expected=f"a coordinate system below {len(_LETTERS)}", got=number, fix=_DAMAGED)
            return _LETTERS[number]
    return ""
