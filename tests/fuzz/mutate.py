"""Damage to files, drawn from a seed: what breaks a reader that believes what it reads.

Bytes are flipped, cut, doubled, moved and swapped for extreme numbers; texts lose and gain words; JSON loses its types.
Where a container would refuse such a change by a checksum or a length (gzip, zip, PNG, safetensors, npy), its inside is
changed and it is put together again, so that the reader behind it meets the change.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from random import Random

EXTREMES = (0, 1, -1, 255, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**60, 2**63, -(2**31))
WORDS = (
    "nan",
    "inf",
    "-inf",
    "1e308",
    "-1e308",
    "1e-320",
    "",
    "-",
    "x",
    "0x10",
    "1_0",
    "ÿ",
    "../../etc/passwd",
    "/dev/zero",
)
VALUES = (
    None,
    True,
    [],
    {},
    "",
    "x",
    -1,
    0,
    2**60,
    1e308,
    float("nan"),
    float("inf"),
    [[]],
    {"a": 1},
    "../x",
    [1e308] * 16,
)
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_PNG = b"\x89PNG\r\n\x1a\n"


def mutated(data: bytes, draw: Random) -> bytes:
    """The content of a file, damaged in one to four places."""
    around = next((change for is_one, change in _CONTAINERS if is_one(data)), None)
    if around is not None and draw.random() < 0.6:
        try:
            return around(data, draw)
        except (ValueError, zlib.error, zipfile.BadZipFile, struct.error, EOFError, OSError):
            pass
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        data = draw.choice(_TEXT if _is_text(data) and draw.random() < 0.7 else _BYTES)(data, draw)
    return data


def _is_text(data: bytes) -> bool:
    return b"\0" not in data[:4096] and sum(byte > 126 for byte in data[:512]) < 16


def _flip(data: bytes, draw: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 3, 16))):
        if changed:
            changed[_place(len(changed), draw)] ^= 1 << draw.randrange(8)
    return bytes(changed)


def _place(size: int, draw: Random) -> int:
    """A place in a file, half of the time in its head, where the promises stand."""
    return draw.randrange(min(size, 256) if draw.random() < 0.5 else size)


def _cut(data: bytes, draw: Random) -> bytes:
    return data[: draw.randrange(len(data) + 1)]


def _drop(data: bytes, draw: Random) -> bytes:
    start = draw.randrange(len(data) + 1)
    return data[:start] + data[start + draw.choice((1, 2, 4, 7, 64, 1000)) :]


def _double(data: bytes, draw: Random) -> bytes:
    """A section once more, right behind itself or somewhere else."""
    start = draw.randrange(len(data) + 1)
    section = data[start : start + draw.choice((1, 4, 16, 100, 4096))]
    where = start if draw.random() < 0.5 else draw.randrange(len(data) + 1)
    return data[:where] + section * draw.choice((1, 1, 2, 50)) + data[where:]


def _splice(data: bytes, draw: Random) -> bytes:
    """A section written over another one."""
    size = draw.choice((4, 8, 32, 256))
    start, where = (draw.randrange(max(1, len(data))) for _ in range(2))
    section = data[start : start + size]
    return data[:where] + section + data[where + len(section) :]


def _number(data: bytes, draw: Random) -> bytes:
    """An extreme number in place of the bytes of one."""
    kind = draw.choice(("<i", "<I", "<q", "<Q", ">I", "<H", "<f", "<d", ">d"))
    number = draw.choice((float("nan"), float("inf"), 1e38, -0.0)) if kind[1] in "fd" else draw.choice(EXTREMES)
    size = struct.calcsize(kind)
    packed = struct.pack(kind, number) if kind[1] in "fd" else (number % 256**size).to_bytes(size, "little")
    where = _place(max(1, len(data)), draw)
    where -= where % draw.choice((1, 2, 4, 8))
    return data[:where] + packed + data[where + size :]


def _noise(data: bytes, draw: Random) -> bytes:
    where = _place(max(1, len(data)), draw)
    noise = draw.randbytes(draw.choice((1, 4, 30)))
    return data[:where] + noise + data[where + len(noise) :]


def _other_number(data: bytes, draw: Random) -> bytes:
    """An extreme number or a word in place of a number that is written out."""
    found = list(_NUMBER.finditer(data))
    if not found:
        return _word(data, draw)
    one = draw.choice(found[:40] if draw.random() < 0.5 else found)
    other = str(draw.choice(EXTREMES)) if draw.random() < 0.6 else draw.choice(WORDS)
    return data[: one.start()] + other.encode() + data[one.end() :]


def _word(data: bytes, draw: Random) -> bytes:
    """A word lost, doubled or another one in its place."""
    words = re.split(rb"(\s+)", data)
    where = draw.randrange(len(words))
    words[where] = draw.choice((b"", words[where] * 2, draw.choice(words), draw.choice(WORDS).encode()))
    return b"".join(words)


def _line(data: bytes, draw: Random) -> bytes:
    lines = data.split(b"\n")
    where = draw.randrange(len(lines))
    change = draw.randrange(4)
    if change == 0:
        del lines[where]
    elif change == 1:
        lines.insert(where, draw.choice(lines))
    elif change == 2:
        lines[where] = draw.choice(lines)
    else:
        lines[where : where + 1] = [lines[where]] * 30
    return b"\n".join(lines)


def _json(data: bytes, draw: Random) -> bytes:
    """One value of a JSON document changed for one of another type or size, or left out."""
    try:
        document = json.loads(data)
    except ValueError:
        return _other_number(data, draw)
    places: list[tuple] = []
    _collect(document, places)
    if places:
        parent, key = draw.choice(places)
        if draw.random() < 0.15:
            del parent[key]
        else:
            parent[key] = draw.choice(VALUES) if draw.random() < 0.8 else draw.choice(places)[0]
    else:
        document = draw.choice(VALUES)
    try:
        return json.dumps(document).encode()
    except ValueError:  # it holds itself now
        return _cut(data, draw)


def _collect(node: object, places: list[tuple]) -> None:
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        places.append((node, key))
        _collect(value, places)


_BYTES = (_flip, _flip, _cut, _drop, _double, _splice, _number, _number, _number, _noise)
_TEXT = (_other_number, _other_number, _word, _line, _json, _json)


def _gzip(data: bytes, draw: Random) -> bytes:
    return gzip.compress(mutated(gzip.decompress(data), draw), mtime=0)


def _zip(data: bytes, draw: Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
    where = draw.randrange(len(members))
    name, content = members[where]
    if draw.random() < 0.1:
        name = draw.choice(("../" + name, "/" + name, "a\\..\\..\\" + name, members[0][0], name + "/", ""))
    members[where] = (name, mutated(content, draw))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


def _png(data: bytes, draw: Random) -> bytes:
    """A chunk changed, its checksum right."""
    chunks, at = [], len(_PNG)
    while at + 12 <= len(data):
        size = struct.unpack_from(">I", data, at)[0]
        chunks.append([data[at + 4 : at + 8], data[at + 8 : at + 8 + size]])
        at += 12 + size
    chunk = draw.choice(chunks[:1] * 3 + chunks)
    chunk[1] = draw.choice(_BYTES)(chunk[1], draw)
    if chunk[0] == b"IHDR":
        chunk[1] = chunk[1][:13].ljust(13, b"\0")
    packed = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    return _PNG + b"".join(packed)


def _safetensors(data: bytes, draw: Random) -> bytes:
    size = struct.unpack_from("<Q", data)[0]
    head = draw.choice(_TEXT)(data[8 : 8 + size], draw)
    return struct.pack("<Q", len(head)) + head + data[8 + size :]


def _npy(data: bytes, draw: Random) -> bytes:
    size = struct.unpack_from("<H", data, 8)[0]
    head = draw.choice((_other_number, _word, _flip))(data[10 : 10 + size], draw)
    return data[:8] + struct.pack("<H", len(head) % 65536) + head + data[10 + size :]


def _is_safetensors(data: bytes) -> bool:
    return len(data) > 10 and data[8:9] == b"{" and struct.unpack_from("<Q", data)[0] < len(data)


_CONTAINERS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes, Random], bytes]], ...] = (
    (lambda data: data.startswith(b"\x1f\x8b"), _gzip),
    (lambda data: data.startswith(b"PK\x03\x04"), _zip),
    (lambda data: data.startswith(_PNG), _png),
    (_is_safetensors, _safetensors),
    (lambda data: data.startswith(b"\x93NUMPY"), _npy),
)
