"""Three models drawn here, of boxes: kinds of which the libraries have no second one, so that held-out rooms need not
show a training room's."""

from __future__ import annotations

import functools

import numpy as np

from chorus.sources.sweethome3d.mesh import Material, face_normals, quads
from chorus.sources.sweethome3d.models import Model

SIZES = {
    "dishwasher": (0.6, 0.6, 0.85),
    "doorFrame": (0.92, 0.14, 2.1),
    "uprightPiano": (1.48, 0.58, 1.16),
}  # m: width, depth, height
_FACES = np.array(
    [[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [2, 6, 7, 3], [0, 4, 6, 2], [1, 3, 7, 5]]
)  # outward, corners counted x + 2 y + 4 z
_CORNER = np.array([[i & 1, i >> 1 & 1, i >> 2 & 1] for i in range(8)], np.float64)
_BLACK_KEYS = (0, 1, 3, 4, 5)  # after which of an octave's seven white keys a black one lies


@functools.cache
def own_model(name: str) -> Model:
    """The model of that name of SIZES, in the unit cube like every model. Its front is -y."""
    parts, materials = {"dishwasher": _dishwasher, "doorFrame": _door_frame, "uprightPiano": _upright_piano}[name]()
    return boxes_model(parts, materials, np.array(SIZES[name]))


def boxes_model(parts, materials: tuple[Material, ...], size: np.ndarray) -> Model:
    """A model of boxes (low corner, high corner, material) on z = 0 around x = y = 0, ``size`` [3] m in all."""
    corners = np.concatenate([_box(low, high) for low, high, _ in parts])
    material = np.repeat([m for _, _, m in parts], 12).astype(np.int32)
    return Model(
        corners=((corners - [0, 0, size[2] / 2]) / size).astype(np.float32),
        normals=np.repeat(face_normals(corners)[:, None], 3, axis=1).astype(np.float32),
        proportions=size,
        uv=np.zeros((len(corners), 3, 2), np.float32),
        material=material,
        materials=materials,
        pane=np.zeros(len(corners), bool),
    )


def _box(low, high) -> np.ndarray:
    """[12, 3, 3] the triangles of a box between two corners, facing outwards."""
    return quads((np.asarray(low) + _CORNER * np.subtract(high, low))[_FACES])


def _dishwasher():
    """A body on a set-back plinth; on its door a dark control panel, a display, buttons and a bar to pull."""
    white, dark, steel, blue = 0, 1, 2, 3
    parts = [
        ((-0.30, -0.27, 0.10), (0.30, 0.30, 0.85), white),
        ((-0.29, -0.22, 0.00), (0.29, 0.30, 0.10), dark),
        ((-0.295, -0.295, 0.11), (0.295, -0.27, 0.71), white),
        ((-0.295, -0.29, 0.72), (0.295, -0.27, 0.845), dark),
        ((-0.06, -0.292, 0.765), (0.06, -0.29, 0.80), blue),
        ((-0.24, -0.30, 0.655), (0.24, -0.295, 0.68), steel),
    ]
    parts += [((x, -0.293, 0.77), (x + 0.02, -0.29, 0.79), steel) for x in (-0.24, -0.20, -0.16, 0.14, 0.18, 0.22)]
    return parts, (
        Material(color=(0.88, 0.88, 0.87), name="enamel"),
        Material(color=(0.16, 0.16, 0.18), name="panel"),
        Material(color=(0.66, 0.67, 0.69), name="steel"),
        Material(color=(0.35, 0.55, 0.70), name="display"),
    )


def _door_frame():
    """A lining through the wall with a stepped casing on both sides."""
    parts = []
    for depth, reach, height in ((0.07, 0.035, 2.035), (0.055, 0.065, 2.065), (0.04, 0.0, 2.0)):
        width = 0.46 - (0.065 - reach)
        parts += [
            ((-width, -depth, 0.0), (-0.385, depth, height), 0),
            ((0.385, -depth, 0.0), (width, depth, height), 0),
            ((-width, -depth, 1.99), (width, depth, height + 0.035), 0),
        ]
    return parts, (Material(color=(0.80, 0.74, 0.64), name="casing"),)


def _upright_piano():
    """Case, cheeks, key bed with 52 white and 35 black keys, music desk, front legs, lid and pedals."""
    wood, ivory, ebony, brass = 0, 1, 2, 3
    parts = [
        ((-0.74, 0.00, 0.08), (0.74, 0.29, 1.14), wood),
        ((-0.74, -0.02, 1.13), (0.74, 0.29, 1.16), wood),
        ((-0.74, -0.27, 0.58), (0.74, 0.00, 0.68), wood),
        ((-0.74, -0.29, 0.58), (-0.66, 0.02, 0.78), wood),
        ((0.66, -0.29, 0.58), (0.74, 0.02, 0.78), wood),
        ((-0.62, -0.25, 0.68), (0.62, -0.04, 0.70), ivory),
        ((-0.40, -0.035, 0.82), (0.40, -0.01, 1.06), wood),
        ((-0.42, -0.06, 0.80), (0.42, -0.01, 0.82), wood),
        ((-0.74, -0.05, 0.00), (0.74, 0.29, 0.08), wood),
    ]
    parts += [((x, -0.28, 0.0), (x + 0.07, -0.21, 0.58), wood) for x in (-0.73, 0.66)]
    parts += [((x, -0.12, 0.04), (x + 0.03, -0.02, 0.06), brass) for x in (-0.10, -0.015, 0.07)]
    white = 1.24 / 52
    after = [7 * octave + key for octave in range(7) for key in _BLACK_KEYS]
    parts += [
        ((-0.62 + (k + 0.72) * white, -0.17, 0.70), (-0.62 + (k + 1.28) * white, -0.04, 0.715), ebony) for k in after
    ]
    return parts, (
        Material(color=(0.36, 0.20, 0.12), name="wood"),
        Material(color=(0.93, 0.92, 0.88), name="ivory"),
        Material(color=(0.08, 0.08, 0.09), name="ebony"),
        Material(color=(0.72, 0.58, 0.28), name="brass"),
    )
