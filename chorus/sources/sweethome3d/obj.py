"""Wavefront OBJ and MTL out of a zip: triangles, normals, texture coordinates, materials."""

from __future__ import annotations

import contextlib
import io
import posixpath
import re
import zipfile

import numpy as np
from PIL import Image

from chorus.errors import InputError
from chorus.files import open_picture
from chorus.io.archive import read_entry
from chorus.sources.sweethome3d.geometry import triangulate
from chorus.sources.sweethome3d.mesh import Material, face_normals

MAX_TEXTURE = 256  # pixels; a view is about as wide, so more is never seen
MOST_CORNERS = 1000  # of a face that is not convex: cutting it takes their cube
FARTHEST = 1e18  # from the middle of a model's own frame: a float32 holds its square
CREASE = np.cos(np.deg2rad(50.0))
_ALIKE = [  # corners that are all written as v, as v/vt, as v/vt/vn or v//vn
    re.compile(rf"(?:\s*-?\d+{rest}(?!\S))+\s*") for rest in ("", r"/-?\d+", r"/(?:-?\d+)?/-?\d+")
]
_PANE = "sweethome3d_window_pane"


def read_obj(archive: zipfile.ZipFile, path: str, *, palette: dict[str, tuple]):
    """(corners [T,3,3], normals [T,3,3], uv [T,3,2], material [T], materials, pane [T] bool) of one model in its own
    frame.

    palette: sRGB of material names that no MTL defines (the program's built-in ones). Raises KeyError when absent.
    """
    text = read_entry(archive, path).decode("latin-1").replace("\\\n", " ")
    v, vt, vn, faces = [], [], [], []
    names: dict[str, int] = {}
    current, pane, libraries = 0, False, []
    for line in text.splitlines():
        head, _, rest = line.strip().partition(" ")
        if head == "v":
            v.append(rest)
        elif head == "vt":
            vt.append(rest)
        elif head == "vn":
            vn.append(rest)
        elif head == "f":
            faces.append((rest, current, pane, len(v), len(vt), len(vn)))
        elif head == "usemtl":
            current = names.setdefault(rest.strip(), len(names))
        elif head in ("g", "o"):
            pane = rest.strip().startswith(_PANE)
        elif head == "mtllib":
            libraries.append(rest.strip())
    if not names:
        names["default"] = 0
    v, vt, vn = _numbers(v, 3), _numbers(vt, 2), _numbers(vn, 3)
    iv, it, inn, material, is_pane = _triangles(faces, v)
    corners = v[iv]
    if not (np.abs(corners) < FARTHEST).all():
        raise ValueError(f"a corner that is no number below {FARTHEST:g}")
    uv = np.vstack([vt, [[0.5, 0.5]]])[np.where(it >= 0, it, len(vt))]
    normals = _normals(corners, iv, vn, inn, len(v))
    defined: dict[str, Material] = {}
    clear: set[str] = set()
    for library in libraries:
        _read_mtl(archive, posixpath.join(posixpath.dirname(path), library), defined, clear)
    materials = tuple(defined.get(n) or Material(color=palette.get(n, (0.75, 0.75, 0.75)), name=n) for n in names)
    is_clear = np.array([n in clear for n in names])
    return corners, normals, uv, material, materials, is_pane | is_clear[material]


def _numbers(lines: list[str], count: int) -> np.ndarray:
    """[L, count] the first ``count`` numbers of every line."""
    with contextlib.suppress(ValueError):
        found = np.fromstring(" ".join(lines), np.float64, sep=" ")
        if len(found) == len(lines) * count:
            return found.reshape(-1, count)
    return np.array([line.split()[:count] for line in lines], np.float64).reshape(-1, count)


def _triangles(faces, vertices: np.ndarray):
    """Index arrays [T,3] (vertex, texture, normal; -1: none), material [T] and pane [T] of the faces cut into
    triangles."""
    by_size: dict[int, list] = {}
    for face in faces:
        by_size.setdefault(len(face[0].split()), []).append(face)
    index, about = [np.zeros((0, 3, 3), np.int64)], [np.zeros((0, 2), np.int64)]
    for size in sorted(size for size in by_size if size >= 3):
        rows = _rows(by_size[size], size)  # [F, size, 3]
        flags = np.array([face[1:3] for face in by_size[size]], np.int64)  # [F, 2]
        convex = _convex(vertices[rows[..., 0]])
        for i in range(1, size - 1):
            index.append(rows[convex][:, [0, i, i + 1]])
            about.append(flags[convex])
        for face, flag in zip(rows[~convex], flags[~convex], strict=True):
            if size > MOST_CORNERS:
                raise ValueError(f"a face of {size} corners that is not convex, at most {MOST_CORNERS} are cut")
            cut = np.array(_ears(vertices[face[:, 0]]))
            index.append(face[cut])
            about.append(np.repeat(flag[None], len(cut), axis=0))
    index, about = np.concatenate(index), np.concatenate(about)
    return index[..., 0], index[..., 1], index[..., 2], about[:, 0].astype(np.int32), about[:, 1].astype(bool)


def _rows(faces: list, size: int) -> np.ndarray:
    """[F, size, 3] vertex, texture and normal indices of faces with ``size`` corners."""
    rows = np.full((len(faces), size, 3), -1, np.int64)
    slashes = np.array([face[0].count("/") for face in faces])
    for count in np.unique(slashes):
        at = np.flatnonzero(slashes == count)
        _fill(rows, at, [faces[i] for i in at], int(count))
    return rows


def _fill(rows: np.ndarray, at: np.ndarray, faces: list, slashes: int) -> None:
    """Read faces with equally many slashes into ``rows[at]``: all at once when each corner is written the same way."""
    size = rows.shape[1]
    parts = slashes // size + 1
    text = " ".join(face[0] for face in faces)
    if slashes % size == 0 and parts <= 3 and _ALIKE[parts - 1].fullmatch(text):
        with contextlib.suppress(ValueError):
            found = np.fromstring(text.replace("//", "/0/").replace("/", " "), np.int64, sep=" ")
            if len(found) == len(faces) * size * parts:
                found = found.reshape(-1, size, parts)
                read = np.array([face[3 : 3 + parts] for face in faces])[:, None]  # [F, 1, parts] lines so far
                rows[at, :, :parts] = np.where(found < 0, found + read, found - 1)
                return
    rows[at] = [[_corner(word, *face[3:]) for word in face[0].split()] for face in faces]


def _corner(word: str, nv: int, nt: int, nn: int) -> tuple[int, int, int]:
    """Zero-based vertex, texture and normal index of ``v/vt/vn``; -1 where left out, negative ones counted from the
    last read."""
    parts = word.split("/")
    found = [-1, -1, -1]
    for k, count in zip(range(len(parts)), (nv, nt, nn), strict=False):
        if parts[k]:
            i = int(parts[k])
            found[k] = i - 1 if i > 0 else count + i
    return found[0], found[1], found[2]


def _convex(polygons: np.ndarray) -> np.ndarray:
    """[F] bool: flat faces [F, P, 3] without a corner that turns the other way (and faces without an area)."""
    if polygons.shape[1] == 3:
        return np.ones(len(polygons), bool)
    edges = np.roll(polygons, -1, axis=1) - polygons
    turns = np.cross(edges, np.roll(edges, -1, axis=1))
    origin = polygons[:, :1]
    normal = np.cross(polygons - origin, np.roll(polygons, -1, axis=1) - origin).sum(1)
    size = np.einsum("fc,fc->f", normal, normal)
    return (np.einsum("fpc,fc->fp", turns, normal) >= -1e-6 * size[:, None]).all(1) | (size < 1e-30)


def _ears(polygon: np.ndarray) -> np.ndarray:
    """[T, 3] index triples of a flat, not convex face [P, 3] (window frames are often drawn as one such face)."""
    normal = np.cross(polygon - polygon[0], np.roll(polygon, -1, axis=0) - polygon[0]).sum(0)
    axis = int(np.abs(normal).argmax())
    flat = np.delete(polygon, axis, axis=1)
    flat = (flat - flat.min(0)) / max(float(np.ptp(flat, axis=0).max()), 1e-20)
    cut = triangulate(flat)
    return cut[:, ::-1] if (normal[axis] > 0) == (axis == 1) else cut  # keep the face's own side


def _normals(corners, iv, vn, inn, vertices: int) -> np.ndarray:
    """Given normals where they are, else smooth ones that keep creases sharper than 50 degrees."""
    face = face_normals(corners)
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.zeros((vertices, 3))
    for k in range(3):
        np.add.at(total, iv[:, k], area)
    total /= np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-20)
    smooth = total[iv]
    sharp = np.einsum("tkc,tc->tk", smooth, face) < CREASE
    normals = np.where(sharp[..., None], face[:, None], smooth)
    if len(vn):
        given = vn[np.clip(inn, 0, len(vn) - 1)]
        length = np.linalg.norm(given, axis=2, keepdims=True)
        usable = (inn >= 0)[..., None] & (length > 1e-6)
        normals = np.where(usable, given / np.maximum(length, 1e-6), normals)
    return normals


def _read_mtl(archive: zipfile.ZipFile, path: str, into: dict[str, Material], clear: set[str]) -> None:
    """Add the materials of one MTL; names of see-through ones go to ``clear``. An absent MTL adds nothing."""
    try:
        text = read_entry(archive, path).decode("latin-1")
    except KeyError:
        return
    for block in re.split(r"^\s*newmtl\s+", text, flags=re.MULTILINE)[1:]:
        name, *lines = block.splitlines()
        values = {}
        for line in lines:
            key, _, rest = line.strip().partition(" ")
            values[key] = rest.strip()
        red, green, blue = (min(max(float(c), 0.0), 1.0) for c in values.get("Kd", "0.75 0.75 0.75").split()[:3])
        texture = (
            _read_texture(archive, posixpath.dirname(path), values["map_Kd"].split()[-1])
            if values.get("map_Kd")
            else None
        )
        color = (red, green, blue) if texture is None else (1.0, 1.0, 1.0)
        if float(values.get("d", "1").split()[-1]) < 0.6:
            clear.add(name.strip())
        into[name.strip()] = Material(color=color, texture=texture, name=name.strip())


def _read_texture(archive: zipfile.ZipFile, folder: str, name: str) -> np.ndarray | None:
    """[h, w, 3] uint8, at most MAX_TEXTURE a side; transparent parts get the mean of the opaque ones. None when
    unreadable."""
    try:
        content = read_entry(archive, posixpath.normpath(posixpath.join(folder, name.replace("\\", "/"))))
        with open_picture(io.BytesIO(content)) as image:
            image = image.convert("RGBA" if "A" in image.getbands() or "transparency" in image.info else "RGB")
            scale = MAX_TEXTURE / max(image.size)
            if scale < 1:
                image = image.resize([max(1, round(s * scale)) for s in image.size], Image.Resampling.BOX)
            pixels = np.array(image)
    except (KeyError, InputError, OSError):
        return None
    if pixels.shape[2] == 4:
        alpha = pixels[..., 3:].astype(np.float32) / 255.0
        mean = (pixels[..., :3] * alpha).sum((0, 1)) / max(float(alpha.sum()), 1.0)
        pixels = np.rint(pixels[..., :3] * alpha + mean * (1 - alpha)).astype(np.uint8)
    return np.ascontiguousarray(pixels[..., :3])
