"""One scene as one self-contained page: orbit, colours, objects, clicks and words, from file:// without a request."""

from __future__ import annotations

import base64
import gzip
import html
import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
import torch

from chorus.errors import InputError
from chorus.store import atomic_file
from chorus.view import query, render
from chorus.view.ask import Search
from chorus.view.colors import group_colors, label_colors
from chorus.view.session import Session
from chorus.view.vocabulary import SHELL, known_words

DIMS = 32  # principal directions of the features that a page holds
MOST_WORDS = 5000
MOST_OBJECTS = 60


def write_page(path: Path, session: Session, *, words: Sequence[str] = ()) -> Path:
    """Write :func:`page_of` to a file, whose folder is made where it is not there."""
    text, path = page_of(session, words=words), Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def page_of(session: Session, *, words: Sequence[str] = ()) -> str:
    """The page of a session's scene, as HTML; words: of the user's own, besides those the model's vocabulary has.

    What it holds: positions as float32, the rest in bytes, DIMS principal directions of the language features in
    int8, and for every word what it may mean, so that a question costs a product and a softmax (view.query.relevance).
    Raises InputError for too many words.
    """
    words = page_words(words)
    rows = session.kept
    arrays = {**_splats(session, rows), **_colors(session, rows), **_language(session.search, rows, words)}
    blob, places = _packed(arrays)
    low, high = render.bounds(session.scene)
    scales = session.scene.log_scales.numpy()[rows]
    head = {
        "arrays": places,
        "count": len(rows),
        "dims": arrays["features"].shape[1],
        "held": len(session.search.contrast.held),
        "anything": len(session.search.contrast.anything),
        "temperature": query.TEMPERATURE,
        "faint": session.search.faint,
        "scale": [float(scales.min()), float(np.ptp(scales))],
        "low": low.tolist(),
        "high": high.tolist(),
        "unit": session.named.unit,
        "words": words,
        "names": list(session.labels.names),
        "objects": _objects(session),
    }
    about = f"{len(session.scene):,} Gaussians. {session.thinned()}"
    return _filled(
        _file("page.html"),
        title=html.escape(session.named.name),
        about=html.escape(about),
        head=json.dumps(head, separators=(",", ":")).replace("<", "\\u003c"),
        data=base64.b64encode(gzip.compress(blob, 9, mtime=0)).decode(),
        bundle=_file("bundle.js"),
    )


def page_words(own: Sequence[str] = ()) -> list[str]:
    """The words a page answers: the user's own first, then the vocabulary's, each once, in small letters."""
    words = list(dict.fromkeys(word.strip().lower() for word in (*own, *known_words()) if word.strip()))
    if len(words) > MOST_WORDS:
        raise InputError("--words", expected=f"at most {MOST_WORDS} words", got=len(words))
    return words


def _splats(session: Session, rows: np.ndarray) -> dict[str, np.ndarray]:
    scene = session.scene.select(torch.from_numpy(rows))
    scales = scene.log_scales.numpy()
    stretch = max(float(np.ptp(scales)), 1e-9)
    return {
        "means": scene.means.numpy().astype(np.float32),
        "scales": _bytes((scales - scales.min()) / stretch),
        "quats": np.rint(scene.unit_quats.numpy() * 127).astype(np.int8),
        "opacities": _bytes(scene.opacities.numpy()),
    }


def _colors(session: Session, rows: np.ndarray) -> dict[str, np.ndarray]:
    labels = session.labels
    instances = session.instances[rows]
    return {
        "rgb": _bytes(session.scene.rgb.numpy()[rows]),
        "pca": _bytes(session.colors("PCA")[rows]),
        "names": _bytes(label_colors(labels.label.numpy()[rows], labels.names)),
        "instances": _bytes(group_colors(session.instances)[rows]),
        "label": labels.label.numpy()[rows].astype(np.int16),
        "instance": np.where(instances < 2**15, instances, -1).astype(np.int16),
    }


def _language(search: Search, rows: np.ndarray, words: Sequence[str]) -> dict[str, np.ndarray]:
    """Features in the page's directions as int8, and what they are compared with in the same directions: f . n =
    mean . n + (steps z) . n, the steps taken into n."""
    used, place, count = np.unique(_rows(search, rows), return_inverse=True, return_counts=True)
    features = search.shared.rows[used]  # those of the Gaussians, once each
    mean = np.average(features, axis=0, weights=count).astype(np.float32)
    centered = features - mean
    _, directions = np.linalg.eigh((centered * count[:, None]).T.astype(np.float64) @ centered)
    directions = directions[:, ::-1][:, : min(DIMS, features.shape[1])].astype(np.float32)
    projected = centered @ directions
    steps = np.maximum(np.abs(projected).max(axis=0), 1e-9) / 127
    asked = search.embedded(words)
    contrast = search.contrast
    rivals = contrast.anything if len(contrast.anything) else contrast.held
    found = {
        "features": np.rint(projected / steps).astype(np.int8)[place],
        "rivals": (rivals @ directions * steps).astype(np.float32),
        "rivals_bias": (rivals @ mean).astype(np.float32),
    }
    if len(contrast.anything):
        beside = {"words": asked @ directions * steps, "words_bias": asked @ mean}
    else:
        beside = {"meanings": [query.meaning(word, contrast) for word in asked]}
    return found | {name: np.asarray(value, np.float32) for name, value in beside.items()}


def _rows(search: Search, gaussians: np.ndarray) -> np.ndarray:
    """[K] the rows of shared features that these Gaussians have."""
    return gaussians if search.shared.index is None else search.shared.index[gaussians]


def _objects(session: Session) -> list[dict]:
    """The largest objects that are no shell of the room: name, instance, place and extent, m."""
    labels, instances = session.labels.label.numpy(), session.instances
    means = session.scene.means.numpy()
    found = []
    for instance, size in enumerate(np.bincount(instances[instances >= 0])):
        if not size:
            continue
        rows = np.flatnonzero(instances == instance)
        name = session.labels.names[labels[rows[0]]]
        if name in SHELL:
            continue
        low, high = query.middle_box(means[rows])
        position = np.round((low + high) / 2, 3).tolist()
        extent = np.round(high - low, 3).tolist()
        found.append({"name": name, "instance": instance, "position": position, "extent": extent, "size": int(size)})
    return sorted(found, key=lambda one: -one["size"])[:MOST_OBJECTS]


def _packed(arrays: dict[str, np.ndarray]) -> tuple[bytes, list[dict]]:
    """All arrays one after another, each from a multiple of four bytes, and where they are."""
    parts, places, offset = [], [], 0
    for name, array in arrays.items():
        flat = np.ascontiguousarray(array).reshape(-1)
        flat = flat.astype(flat.dtype.newbyteorder("<"))
        raw = flat.tobytes()
        places.append({"name": name, "type": flat.dtype.str[1:], "offset": offset, "length": len(flat)})
        parts.append(raw + b"\0" * (-len(raw) % 4))
        offset += len(parts[-1])
    return b"".join(parts), places


def _bytes(values: np.ndarray) -> np.ndarray:
    """0..1 as 0..255."""
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def _filled(template: str, **parts: str) -> str:
    """The template with every {{name}} replaced, once: what comes in is not looked through."""
    pieces = []
    for i, piece in enumerate(template.split("{{")):
        name, found, rest = piece.partition("}}")
        pieces.append(parts[name] + rest if i and found else piece)
    return "".join(pieces)


@cache
def _file(name: str) -> str:
    return (resources.files("chorus.view") / "web" / name).read_text(encoding="utf-8")
