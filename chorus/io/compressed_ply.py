"""SuperSplat's packed .ply: chunks of 256 Gaussians with bounds, four 32-bit words a Gaussian, harmonics as bytes.

Positions and log-scales lie between their chunk's bounds in 11, 10 and 11 bits, colours in 8 (bounds since version 2),
opacity after the sigmoid in 8, rotations as the three smallest components in 10 bits with the largest one's number.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from chorus.errors import InputError
from chorus.io.assemble import Columns
from chorus.io.packing import largest_of_four, logits, morton_order, rounded, sigmoid, smallest_three
from chorus.io.ply_table import Ply, columns_of, names_of, write_elements
from chorus.moving import in_file_frame
from chorus.scene import SH_C0, GaussianScene

ELEMENTS = ("chunk", "sh")
_CHUNK = 256
_BOUNDS = {
    "means": ["min_x", "min_y", "min_z", "max_x", "max_y", "max_z"],
    "scales": ["min_scale_x", "min_scale_y", "min_scale_z", "max_scale_x", "max_scale_y", "max_scale_z"],
    "rgb": ["min_r", "min_g", "min_b", "max_r", "max_g", "max_b"],
}
_WORDS = ["packed_position", "packed_rotation", "packed_scale", "packed_color"]
_HALF = np.sqrt(0.5)


def is_compressed(ply: Ply) -> bool:
    """Whether a file's vertices are packed."""
    return "packed_position" in names_of(ply.elements["vertex"])


def unpack(path: Path, ply: Ply) -> Columns:
    """The Gaussians of a packed file. Raises InputError naming the word, bound or chunk that is absent."""
    table, chunks = ply.elements["vertex"], ply.elements.get("chunk")
    missing = [name for name in _WORDS if name not in names_of(table)]
    if chunks is None or missing:
        raise InputError(
            path, expected="packed words and their chunks", got=f"no {', '.join(missing) or 'element chunk'}"
        )
    if len(chunks) < -(-len(table) // _CHUNK):
        raise InputError(
            path, expected=f"a chunk for every {_CHUNK} of {len(table)} Gaussians", got=f"{len(chunks)} chunks"
        )
    of = np.arange(len(table)) // _CHUNK
    words = {name: table[name].astype(np.uint32) for name in _WORDS}
    color = np.stack([words["packed_color"] >> shift & 255 for shift in (24, 16, 8, 0)], axis=1) / 255.0
    rgb = color[:, :3]
    if set(_BOUNDS["rgb"]) <= set(names_of(chunks)):
        rgb = _between(path, chunks, "rgb", of, rgb)
    sh = ((rgb - 0.5) / SH_C0)[:, None]
    if "sh" in ply.elements:
        sh = np.concatenate([sh, _harmonics(path, ply.elements["sh"], len(table))], axis=1)
    return Columns(
        means=_between(path, chunks, "means", of, _fractions(words["packed_position"])),
        quats=_quats(words["packed_rotation"]),
        log_scales=_between(path, chunks, "scales", of, _fractions(words["packed_scale"])),
        opacity_logits=logits(color[:, 3]),
        sh=sh,
    )


def write_compressed_ply(path: Path, scene: GaussianScene) -> None:
    """Write a scene packed, in z-order so that a chunk's Gaussians lie together; positions less the frame's offset."""
    scene = in_file_frame(scene.validate(path).detached().to("cpu"))
    scene = scene.select(morton_order(scene.means))
    n = len(scene)
    starts = np.arange(0, n, _CHUNK)
    rgb = scene.sh[:, 0].double().numpy() * SH_C0 + 0.5
    parts = {
        "means": scene.means.double().numpy(),
        "scales": scene.log_scales.double().numpy().clip(-20, 20),
        "rgb": rgb,
    }
    chunks = np.empty(len(starts), [(name, "f4") for what in ("means", "scales", "rgb") for name in _BOUNDS[what]])
    fractions = {}
    for what, values in parts.items():
        low, high = (reduce.reduceat(values, starts).astype(np.float32) for reduce in (np.minimum, np.maximum))
        for name, bound in zip(_BOUNDS[what], [*low.T, *high.T], strict=True):
            chunks[name] = bound
        low, high = (np.repeat(bound, _CHUNK, axis=0)[:n] for bound in (low, high))
        fractions[what] = np.divide(values - low, high - low, out=np.zeros_like(values), where=high > low)
    table = np.empty(n, [(name, "u4") for name in _WORDS])
    table["packed_position"], table["packed_scale"] = _pack(fractions["means"]), _pack(fractions["scales"])
    opacity = sigmoid(scene.opacity_logits.double().numpy())[:, None]
    table["packed_color"] = _joined(rounded(np.concatenate([fractions["rgb"], opacity], axis=1), 255), (24, 16, 8, 0))
    three, largest = smallest_three(scene.quats.double().numpy())
    table["packed_rotation"] = (
        _joined(rounded(three / (2 * _HALF) + 0.5, 1023), (20, 10, 0)) | largest.astype("u4") << 30
    )
    elements = {"chunk": chunks, "vertex": table}
    if scene.sh_degree:
        rest = scene.sh[:, 1:].transpose(1, 2).reshape(n, -1).numpy()
        bytes_ = np.clip(np.floor((rest / 8 + 0.5) * 256), 0, 255).astype(np.uint8)
        elements["sh"] = bytes_.view([(f"f_rest_{i}", "u1") for i in range(bytes_.shape[1])])[:, 0]
    write_elements(path, elements)


def _fractions(words: np.ndarray) -> np.ndarray:
    """[N, 3] in 0..1 of 11, 10 and 11 bits."""
    return np.stack([(words >> 21) / 2047.0, (words >> 11 & 1023) / 1023.0, (words & 2047) / 2047.0], axis=1)


def _pack(fractions: np.ndarray) -> np.ndarray:
    parts = [rounded(fractions[:, i : i + 1], most) for i, most in enumerate((2047, 1023, 2047))]
    return _joined(np.concatenate(parts, axis=1), (21, 11, 0))


def _joined(parts: np.ndarray, shifts: tuple[int, ...]) -> np.ndarray:
    """[N] uint32 of whole numbers [N, P], each moved up by its shift."""
    return np.bitwise_or.reduce([parts[:, i].astype(np.uint32) << shift for i, shift in enumerate(shifts)], axis=0)


def _quats(words: np.ndarray) -> np.ndarray:
    three = np.stack([(words >> shift & 1023) / 1023.0 for shift in (20, 10, 0)], axis=1)
    return largest_of_four((three - 0.5) * 2 * _HALF, words >> 30)


def _between(path: Path, chunks: np.ndarray, what: str, of: np.ndarray, fractions: np.ndarray) -> np.ndarray:
    """[N, 3] values at fractions [N, 3] between the bounds of their chunks [N]."""
    missing = [name for name in _BOUNDS[what] if name not in names_of(chunks)]
    if missing:
        raise InputError(path, expected=f"chunks with the bounds of {what}", got=f"none named {', '.join(missing)}")
    bounds = columns_of(chunks, _BOUNDS[what], "f8")[of]
    return bounds[:, :3] + fractions * (bounds[:, 3:] - bounds[:, :3])


def _harmonics(path: Path, table: np.ndarray, rows: int) -> np.ndarray:
    """[N, K - 1, 3] of bytes, all of one channel before the next."""
    names = [f"f_rest_{i}" for i in range(len(names_of(table)))]
    if len(table) != rows or len(names) not in (9, 24, 45) or set(names) != set(names_of(table)):
        expected, got = f"9, 24 or 45 harmonics f_rest_0.. of {rows} Gaussians", f"{len(names)} of {len(table)}"
        raise InputError(path, expected=expected, got=got)
    values = columns_of(table, names)
    inner = (values + 0.5) / 256.0  # a byte stands for the middle of its step; its two ends for the ends
    fractions = np.where(values == 0, 0.0, np.where(values == 255, 1.0, inner))
    return ((fractions - 0.5) * 8).reshape(rows, 3, -1).transpose(0, 2, 1)
