"""What is done for many rays, faces or texels at once equals what one at a time would give."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from chorus.sources.sweethome3d.mesh import Material, SoupBuilder, face_normals
from chorus.sources.sweethome3d.models import _duplicates
from chorus.sources.sweethome3d.obj import read_obj
from chorus.sources.sweethome3d.rows import cross, dot, length, rows_of, take
from chorus.sources.sweethome3d.texture_bank import LINEAR, texture_bank

CORNERS = {  # how a face names vertex, texture and normal 1, 2, 3; -k counts from the last line read
    "vertices": ("1", "2", "3"),
    "textured": ("1/1", "2/2", "3/3"),
    "without texture": ("1//1", "2//2", "3//3"),
    "all": ("1/1/1", "2/2/2", "3/3/3"),
    "from the end": ("-4/-3/-3", "-3/-2/-2", "-2/-1/-1"),
    "each its own way": ("1", "2/2", "3//3"),
    "cut short": ("1/1/", "2/2/2", "3/3"),
}


@pytest.mark.parametrize("name", CORNERS)
def test_faces_are_read_however_they_are_written(name):
    words = CORNERS[name]
    lines = ["v 0 0 0", "v 2 0 0", "v 2 3 0", "v 0 3 0 0.5", "vt 0.1 0.2", "vt 0.3 0.4 0", "vt 0.5 0.6"]
    lines += ["vn 0 0 1", "vn 0 1 0", "vn 1 0 0"]
    others = ["f 1 2 3 4", "f 2/2 3/3 4/1", "f " + " ".join(words)]
    corners, normals, uv, *_ = read_obj(_archive(lines + others), "m.obj", palette={})
    last = np.flatnonzero((corners == [[0, 0, 0], [2, 0, 0], [2, 3, 0]]).all((1, 2)))
    assert len(last) == 2 and len(corners) == 4  # the first half of the square and the face itself
    textured = [word.count("/") >= 1 and word.split("/")[1] != "" for word in words]
    expected = np.where(np.array(textured)[:, None], [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]], 0.5)
    assert any(np.allclose(uv[row], expected) for row in last)
    given = [word.count("/") == 2 and word.split("/")[2] != "" for word in words]
    expected = np.where(np.array(given)[:, None], [[0, 0, 1], [0, 1, 0], [1, 0, 0]], [0, 0, 1])
    assert any(np.allclose(normals[row], expected, atol=0.2) for row in last)


def _archive(lines: list[str]) -> zipfile.ZipFile:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("m.obj", "\n".join(lines))
    return zipfile.ZipFile(packed)


def test_rows_agree_with_numpy():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 50, 3))
    index = rng.integers(0, 50, 80)
    np.testing.assert_allclose(cross(rows_of(a), rows_of(b)).T, np.cross(a, b))
    np.testing.assert_allclose(dot(rows_of(a), rows_of(b)), (a * b).sum(1))
    np.testing.assert_allclose(length(rows_of(a)), np.linalg.norm(a, axis=1))
    assert (take(rows_of(a), index).T == a[index]).all()
    triangles = rng.standard_normal((20, 3, 3))
    expected = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    np.testing.assert_allclose(face_normals(triangles), expected / np.linalg.norm(expected, axis=1, keepdims=True))
    assert (face_normals(np.zeros((1, 3, 3))) == 0).all()


def test_rows_seen_before_are_duplicates():
    rows = np.random.default_rng(1).integers(0, 4, (60, 3))
    before = [tuple(row) in {tuple(other) for other in rows[:i]} for i, row in enumerate(rows)]
    assert _duplicates(rows).tolist() == before
    assert _duplicates(np.zeros((0, 3), int)).tolist() == []


def test_textures_are_looked_up_between_texels_and_repeat():
    rng = np.random.default_rng(2)
    texture = rng.integers(0, 256, (6, 10, 3), dtype=np.uint8)
    builder = SoupBuilder()
    for material in (Material(color=(1.0, 0.5, 0.2)), Material(texture=texture, color=(1.0, 1.0, 1.0))):
        builder.add(np.eye(3)[None], uv=np.zeros((1, 3, 2)), material=material, semantic=1)
    bank = texture_bank(builder.build())
    uv = rng.uniform(-2, 3, (2, 200)).astype(np.float32)
    found = bank.color(np.ones(200, np.int32), uv, np.full(200, -3.0, np.float32))
    for i, (u, v) in enumerate(uv.T.astype(np.float64)):
        x, y = u * 10 - 0.5, (1 - v) * 6 - 0.5
        shares = {(r, c): (1 - abs(x - c)) * (1 - abs(y - r)) for r in _around(y) for c in _around(x)}
        expected = sum(share * LINEAR[texture[r % 6, c % 10]] for (r, c), share in shares.items())
        np.testing.assert_allclose(found[:, i], expected, atol=2e-3)
    flat = bank.color(np.zeros(1, np.int32), uv[:, :1], np.zeros(1))
    np.testing.assert_allclose(flat[:, 0], LINEAR[[255, 128, 51]], atol=1e-6)
    whole = bank.color(np.ones(1, np.int32), uv[:, :1], np.full(1, 20.0))  # the last level is the mean of it all
    np.testing.assert_allclose(whole[:, 0], bank.mean[1], atol=1e-6)


def _around(x: float) -> tuple[int, int]:
    return int(np.floor(x)), int(np.floor(x)) + 1
