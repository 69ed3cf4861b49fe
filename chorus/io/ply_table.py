"""The PLY container: a text header that names columns, then ascii or binary rows. Knows nothing of what the columns
mean."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chorus.errors import InputError
from chorus.files import read_file
from chorus.store import atomic_file

_TYPES = {
    "char": "i1",
    "int8": "i1",
    "uchar": "u1",
    "uint8": "u1",
    "short": "i2",
    "int16": "i2",
    "ushort": "u2",
    "uint16": "u2",
    "int": "i4",
    "int32": "i4",
    "uint": "u4",
    "uint32": "u4",
    "float": "f4",
    "float32": "f4",
    "double": "f8",
    "float64": "f8",
}
_NAMES = {
    "i1": "char",
    "u1": "uchar",
    "i2": "short",
    "u2": "ushort",
    "i4": "int",
    "u4": "uint",
    "f4": "float",
    "f8": "double",
}
_ORDERS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}
_MAX_HEADER = 1 << 20  # bytes; a real header has a few kilobytes


@dataclass(frozen=True)
class _Element:
    name: str
    count: int
    columns: list[tuple[str, str]]  # (name, numpy type without byte order)
    lists: list[str]  # names of list properties: their rows have no fixed size


@dataclass(frozen=True)
class _Header:
    order: str  # "=" for ascii, else "<" or ">"
    elements: list[_Element]
    comments: tuple[str, ...]
    size: int  # bytes up to and including the line end_header


@dataclass(frozen=True)
class Ply:
    """The elements of a file that were asked for, structured arrays [N] by name, its comment lines, and how many bytes
    lie behind the last row that its header promises."""

    elements: dict[str, np.ndarray]
    comments: tuple[str, ...]
    beyond: int = 0


def read_table(path: Path, element: str = "vertex") -> np.ndarray:
    """The rows of one element as a structured array [N], columns by their property names.

    Raises InputError when the file is no PLY, lacks the element or ends too early.
    """
    return read_elements(path, (element,)).elements[element]


def read_elements(path: Path, names: tuple[str, ...] = ("vertex",), *, optional: tuple[str, ...] = ()) -> Ply:
    """The elements named, and those of the optional ones that are there; what else the file holds is passed over.

    Raises InputError when the file is no PLY, lacks an element of ``names`` or ends too early.
    """
    path = Path(path)
    try:
        content = read_file(path)
    except OSError as error:
        raise InputError(path, expected="a readable .ply file", got=error.strerror or error) from error
    header = _parse_header(path, content)
    body, offset = memoryview(content)[header.size :], 0
    lines = bytes(body).splitlines() if header.order == "=" else []
    found, left, beyond = {}, set(names), 0
    for entry in header.elements:
        if entry.name in (*names, *optional):
            if entry.lists:
                raise InputError(
                    path, expected=f"element {entry.name} without list properties", got=", ".join(entry.lists)
                )
            found[entry.name] = (
                _ascii_rows(path, lines[offset:], entry)
                if header.order == "="
                else _binary_rows(path, body[offset:], entry, header.order)
            )
            left.discard(entry.name)
        elif not left and (entry.lists or not optional):
            break  # what follows is of no interest and may have no fixed size
        offset += entry.count if header.order == "=" else _fixed_size(path, entry, header.order)
    else:
        beyond = len((b"\n".join(lines[offset:]) if header.order == "=" else bytes(body[offset:])).strip())
    if left:
        raise InputError(
            path,
            expected=f"an element '{sorted(left)[0]}'",
            got=", ".join(e.name for e in header.elements) or "no element",
        )
    return Ply(found, header.comments, beyond)


def write_table(path: Path, table: np.ndarray, *, element: str = "vertex", comments: Iterable[str] = ()) -> None:
    """Write a structured array [N] as one little-endian binary element, whole or not at all."""
    write_elements(path, {element: table}, comments=comments)


def write_elements(path: Path, elements: dict[str, np.ndarray], *, comments: Iterable[str] = ()) -> None:
    """Write structured arrays as little-endian binary elements, in their order, whole or not at all."""
    lines = ["ply", "format binary_little_endian 1.0", *(f"comment {' '.join(text.split())}" for text in comments)]
    blocks = []
    for element, table in elements.items():
        columns = [(name, table.dtype[name].str[1:]) for name in names_of(table)]
        lines += [f"element {element} {len(table)}", *(f"property {_NAMES[kind]} {name}" for name, kind in columns)]
        blocks.append(table.astype([(name, "<" + kind) for name, kind in columns], copy=False).tobytes())
    header = "\n".join([*lines, "end_header\n"])
    with atomic_file(Path(path)) as temporary:
        temporary.write_bytes(header.encode() + b"".join(blocks))


def names_of(table: np.ndarray) -> tuple[str, ...]:
    """The columns of a structured array; none of a plain one."""
    return table.dtype.names or ()


def columns_of(table: np.ndarray, names: list[str], kind: str = "f4") -> np.ndarray:
    """[N, len(names)] of the named columns, float32 unless another kind is asked for."""
    return np.stack([table[name].astype(kind) for name in names], axis=1)


def _parse_header(path: Path, content: bytes) -> _Header:
    start = 3 if content.startswith(b"\xef\xbb\xbf") else 0  # a byte order mark
    head = content[start : start + _MAX_HEADER]
    if not re.match(rb"ply[ \t]*\r?[\n\r]", head):
        raise InputError(
            path, expected="a PLY file (first line 'ply')", got=repr(content[:16]) if content else "an empty file"
        )
    last = re.search(rb"(?m)^end_header[ \t]*(\r\n|\n|\r(?!\n))", re.sub(rb"\r(?!\n)", b"\n", head))
    if last is None:
        raise InputError(
            path, expected="a header that ends with 'end_header'", got="none", fix="The file is cut off: copy it again."
        )
    order, elements, comments = None, [], []
    for line in re.split(r"\r\n|\n|\r", head[: last.start()].decode("utf-8", "replace"))[1:]:
        words = line.split()
        try:
            if not words or words[0] == "obj_info":
                continue
            if words[0] == "comment":
                comments.append(line.strip()[len("comment") :].strip())
            elif words[0] == "format":
                order = _ORDERS[words[1]]
            elif words[0] == "element":
                elements.append(_Element(words[1], _count(words[2]), [], []))
            elif words[0] == "property" and words[1] == "list":
                elements[-1].lists.append(words[4])
            elif words[0] == "property":
                elements[-1].columns.append((words[2], _TYPES[words[1]]))
            else:
                raise ValueError(words[0])
        except (IndexError, KeyError, ValueError) as error:
            raise InputError(path, expected="PLY header lines (format, element, property)", got=repr(line)) from error
    if order is None:
        raise InputError(path, expected="a format line in the header", got="none")
    return _Header(order, elements, tuple(comments), start + last.end())


def _count(word: str) -> int:
    if (count := int(word)) < 0:
        raise ValueError(word)
    return count


def _row_type(path: Path, element: _Element, order: str) -> np.dtype:
    names = [name for name, _ in element.columns]
    if not names or len(set(names)) != len(names):
        raise InputError(path, expected=f"distinct properties of {element.name}", got=names or "none")
    return np.dtype([(name, order + kind) for name, kind in element.columns])


def _fixed_size(path: Path, element: _Element, order: str) -> int:
    if element.lists:
        raise InputError(
            path,
            expected="the vertices before any element with lists",
            got=f"element {element.name} first",
            fix="Write vertices first.",
        )
    return element.count * _row_type(path, element, order).itemsize


def _binary_rows(path: Path, body: memoryview, element: _Element, order: str) -> np.ndarray:
    kind = _row_type(path, element, order)
    if len(body) < element.count * kind.itemsize:
        got = f"{len(body) // kind.itemsize} rows"
        raise InputError(
            path,
            expected=f"{element.count} rows of {kind.itemsize} bytes",
            got=got,
            fix="The file is cut off: copy it again.",
        )
    rows = np.frombuffer(body, kind, count=element.count)
    return rows.astype(kind.newbyteorder("="))


def _ascii_rows(path: Path, lines: list[bytes], element: _Element) -> np.ndarray:
    kind = _row_type(path, element, "=")
    names = kind.names or ()
    rows = [line.split() for line in lines[: element.count]]
    if len(rows) < element.count or any(len(row) != len(names) for row in rows):
        good = sum(len(row) == len(names) for row in rows)
        fix = "The file is cut off or damaged: copy it again."
        raise InputError(
            path, expected=f"{element.count} rows of {len(names)} numbers", got=f"{good} such rows", fix=fix
        )
    try:
        values = np.array(rows, dtype=np.float64).reshape(element.count, len(names))
    except ValueError as error:
        raise InputError(path, expected="numbers", got=error) from error
    table = np.empty(element.count, kind)
    for column, name in enumerate(names):
        table[name] = values[:, column]
    return table
