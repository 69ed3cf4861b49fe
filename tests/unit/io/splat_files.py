"""A .ply writer of the tests' own, and made-up rooms of splats as columns in 3DGS conventions."""

from __future__ import annotations

from pathlib import Path

import numpy as np

C0 = 0.28209479177387814
NAMES = {"f4": "float", "f8": "double", "u1": "uchar", "u2": "ushort", "i4": "int"}


def columns(n: int = 400, seed: int = 0, extent: tuple[float, float, float] = (4.0, 3.0, 2.5)) -> dict[str, np.ndarray]:
    """n Gaussians spread evenly over a box, of any colour and rotation."""
    draw = np.random.default_rng(seed)
    found = {axis: draw.uniform(0, size, n) for axis, size in zip("xyz", extent, strict=True)}
    found |= {f"f_dc_{i}": (draw.uniform(0.1, 0.9, n) - 0.5) / C0 for i in range(3)}
    found["opacity"] = draw.uniform(-2, 4, n)
    found |= {f"scale_{i}": np.log(draw.uniform(0.02, 0.12, n)) for i in range(3)}
    quats = draw.normal(size=(n, 4))
    return found | {f"rot_{i}": quats[:, i] for i in range(4)}


def write(
    path: Path,
    table: dict[str, np.ndarray],
    *,
    types: dict[str, str] | None = None,
    order: list[str] | None = None,
    end: str = "\n",
    head: tuple[str, ...] = (),
    format: str = "binary_little_endian",
    start: bytes = b"",
    before: tuple[tuple[str, ...], bytes] = ((), b""),
    after: tuple[tuple[str, ...], bytes] = ((), b""),
) -> Path:
    """A .ply of columns. before, after: header lines of another element and its bytes."""
    order, types = order or list(table), types or {}
    byte = ">" if format == "binary_big_endian" else "<"
    rows = np.empty(len(table[order[0]]), [(name, byte + types.get(name, "f4")) for name in order])
    for name in order:
        with np.errstate(over="ignore"):
            rows[name] = table[name]
    vertex = [f"element vertex {len(rows)}", *(f"property {NAMES[types.get(name, 'f4')]} {name}" for name in order)]
    lines = ["ply", f"format {format} 1.0", *head, *before[0], *vertex, *after[0], "end_header"]
    body = rows.tobytes()
    if format == "ascii":
        body = end.join(" ".join(repr(x.item()) for x in row) for row in rows).encode() + end.encode()
    path.write_bytes(start + (end.join(lines) + end).encode() + before[1] + body + after[1])
    return path
