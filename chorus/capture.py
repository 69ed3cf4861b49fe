"""Posed images with what is known about them: what every source makes and every later stage reads."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import load_file, save_file

from chorus.cameras import Cameras
from chorus.errors import InputError
from chorus.files import open_picture, reading, regular
from chorus.frames import Frame
from chorus.json_files import read_json, write_json

POINTS = "points.safetensors"
HOLD_OUT_EVERY = 8  # views 7, 15, 23, ... are never fitted
_STRIDE = 8  # pixels; overlap is counted on every 8th
_AGAIN = "Ingest the scene again."
_REACH = 3  # views apart that still count as neighbours


@dataclass(frozen=True, kw_only=True)
class Capture:
    """V posed views of one scene. World frame: z up, floor near z = 0, metres where ``frame.unit`` says so.

    Labels, where a source knows them, are read by the evaluation and, of training homes, by two trainings: the embedded
    teachers' and the evaluation's linear probe. The encoder learns without them, unless its scenes bring some.
    """

    images: np.ndarray  # [V, H, W, 3] uint8, sRGB
    cameras: Cameras
    depth: np.ndarray | None = None  # [V, H, W] float32, metres along the optical axis, 0 where unknown
    semantic: np.ndarray | None = None  # [V, H, W] uint8, index into class_names, 0 where unlabelled
    instance: np.ndarray | None = None  # [V, H, W] uint16, 0 where none
    class_names: tuple[str, ...] = ()  # class_names[0] == "unlabelled"
    points: np.ndarray | None = None  # [P, 3] float32, metres
    point_colors: np.ndarray | None = None  # [P, 3] uint8
    mask: np.ndarray | None = None  # [V, H, W] bool, False where a pixel takes no part (a passer-by, padding)
    frame: Frame = Frame()
    info: dict = field(default_factory=dict)  # plain JSON: home, room, domain, split, counts of skipped items

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        """One line: how many views of which size, what is known of them, where they stand, up and unit."""
        parts = [f"{len(self)} views of {self.cameras.width} x {self.cameras.height}"]
        parts += [name for name in ("depth", "mask") if getattr(self, name) is not None]
        if self.class_names:
            parts.append(f"labels of {len(self.class_names) - 1} classes")
        if self.points is not None:
            parts.append(f"{len(self.points):,} points")
        parts.append(f"standing in {self.frame.size(self.cameras.positions)}")
        return f"Capture({'; '.join([*parts, self.frame.says()])})"

    @property
    def held_out(self) -> np.ndarray:
        """[V] bool: every 8th view."""
        return np.arange(len(self)) % HOLD_OUT_EVERY == HOLD_OUT_EVERY - 1

    def validate(self, where: object = "capture") -> Capture:
        """Itself, when arrays and cameras agree. Raises InputError otherwise."""
        shape = (len(self.cameras), self.cameras.height, self.cameras.width)
        if len(self) == 0:
            raise InputError(where, expected="at least one posed view", got="none")
        if self.images.shape != (*shape, 3) or self.images.dtype != np.uint8:
            raise InputError(
                where,
                expected=f"uint8 images of shape {[*shape, 3]}",
                got=f"{self.images.dtype} {list(self.images.shape)}",
            )
        for name in ("depth", "semantic", "instance", "mask"):
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                raise InputError(where, expected=f"{name} of shape {list(shape)}", got=list(array.shape))
        if self.depth is not None and not np.isfinite(self.depth).all():
            views = np.flatnonzero(~np.isfinite(self.depth).all(axis=(1, 2)))
            raise InputError(
                where,
                expected="finite depth (0 where unknown)",
                got=f"NaN or infinity in {len(views)} views, first {views[0]}",
            )
        if self.semantic is not None and int(self.semantic.max()) >= len(self.class_names):
            raise InputError(where, expected=f"class ids below {len(self.class_names)}", got=int(self.semantic.max()))
        return self

    def select(self, views: np.ndarray) -> Capture:
        """The capture of an index array or boolean mask of views alone."""
        layers = {name: getattr(self, name) for name in ("images", "depth", "semantic", "instance", "mask")}
        kept = {name: None if layer is None else layer[views] for name, layer in layers.items()}
        return replace(self, cameras=self.cameras.select(views), **kept)

    def overlap(self, view: int) -> float:
        """The largest share of a view's pixels with depth that a view up to 3 apart shows too: 0 without depth, 1 for a
        lone view."""
        if self.depth is None or not (known := self.depth[view, ::_STRIDE, ::_STRIDE] > 0).any():
            return 0.0
        world = self.cameras.unproject(view, self.depth[view], stride=_STRIDE)[known]
        near = [j for j in range(max(0, view - _REACH), min(len(self), view + _REACH + 1)) if j != view]
        return max((float(_shows(self.cameras, j, self.depth[j], world).mean()) for j in near), default=1.0)

    def save(self, folder: Path) -> None:
        """Write images/ and cameras.json, and what there is of depth/, semantic/, instance/, mask/, labels.json and
        points.safetensors, under a folder, which may exist.

        Depth is stored as 16-bit millimetres, so it is rounded to 0.5 mm and cut at 65.5 m.
        """
        self.validate(folder)
        folder = Path(folder)
        names = [f"{i:04d}.png" for i in range(len(self))]
        layers = {"images": self.images, "semantic": self.semantic, "instance": self.instance, "mask": self.mask}
        if self.depth is not None:
            layers["depth"] = np.clip(np.rint(self.depth * 1000.0), 0, 65535).astype(np.uint16)
        for layer, arrays in layers.items():
            if arrays is None:
                continue
            (folder / layer).mkdir(parents=True, exist_ok=True)
            for name, array in zip(names, arrays, strict=True):
                Image.fromarray(array).save(folder / layer / name, compress_level=1)
        write_json(folder / "cameras.json", self._cameras_json(names))
        if self.class_names:
            write_json(folder / "labels.json", {"class_names": list(self.class_names)})
        if self.points is not None:
            colors = self.point_colors if self.point_colors is not None else np.full(self.points.shape, 128, np.uint8)
            save_file(
                {"points": np.ascontiguousarray(self.points, np.float32), "colors": np.ascontiguousarray(colors)},
                folder / POINTS,
            )

    def _cameras_json(self, names: list[str]) -> dict:
        """The frame is written where it is not the usual one (z up, metres, the source's own)."""
        views = [
            {"image": f"images/{name}", "K": K.tolist(), "cam_from_world": pose.tolist()}
            for name, K, pose in zip(names, self.cameras.K, self.cameras.cam_from_world, strict=True)
        ]
        size = {"width": self.cameras.width, "height": self.cameras.height}
        frame = {} if self.frame == Frame() else {"frame": self.frame.to_json()}
        return {"axes": "opencv", "units": self.frame.label, **frame, **size, "info": self.info, "views": views}

    @classmethod
    def load(cls, folder: Path) -> Capture:
        """Read what :meth:`save` wrote. Raises MissingError or InputError naming the file that is absent or damaged."""
        folder = Path(folder)
        spec = read_json(folder / "cameras.json", fix=_AGAIN)
        try:
            cameras = Cameras(
                K=np.array([v["K"] for v in spec["views"]]),
                cam_from_world=np.array([v["cam_from_world"] for v in spec["views"]]),
                width=spec["width"],
                height=spec["height"],
            )
            names = [Path(v["image"]).name for v in spec["views"]]
        except (KeyError, OverflowError, TypeError, ValueError) as error:
            raise InputError(
                folder / "cameras.json", expected="views with K, cam_from_world and image", got=repr(error)
            ) from error
        images = _read_layer(folder / "images", names)
        if images is None:
            raise InputError(folder / "images", expected="one PNG a view", got="no such folder", fix=_AGAIN)
        millimeters = _read_layer(folder / "depth", names)
        labels = folder / "labels.json"
        class_names = _read_names(labels) if labels.exists() else ()
        points = _read_points(folder / POINTS) if (folder / POINTS).exists() else {}
        return cls(
            images=images,
            cameras=cameras,
            depth=None if millimeters is None else millimeters.astype(np.float32) / 1000.0,
            semantic=_read_layer(folder / "semantic", names),
            instance=_read_layer(folder / "instance", names),
            mask=_read_layer(folder / "mask", names),
            frame=Frame.from_json(spec["frame"], where=folder / "cameras.json") if "frame" in spec else Frame(),
            class_names=class_names,
            points=points.get("points"),
            point_colors=points.get("colors"),
            info=spec.get("info", {}),
        ).validate(folder)


def is_capture(folder: Path) -> bool:
    """Whether a folder is what :meth:`Capture.save` wrote."""
    return (Path(folder) / "cameras.json").is_file() and (Path(folder) / "images").is_dir()


def _shows(cameras: Cameras, view: int, depth: np.ndarray, points: np.ndarray) -> np.ndarray:
    """[N] bool: world points [N, 3] inside a view and on the surface its depth [H, W] saw, within 5 cm and 5 %."""
    pixels, z = cameras.project(view, points)
    inside = (z > 0.05) & (pixels >= 0).all(axis=1) & (pixels < (cameras.width, cameras.height)).all(axis=1)
    columns, rows = np.where(inside[:, None], pixels, 0).astype(np.int64).T
    return inside & (np.abs(depth[rows, columns] - z) < 0.05 + 0.05 * z)


def _read_names(path: Path) -> tuple[str, ...]:
    found = read_json(path, fix=_AGAIN)
    names = found.get("class_names") if isinstance(found, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(path, expected="class_names, a list of words", got=found, fix=_AGAIN)
    return tuple(names)


def _read_points(path: Path) -> dict[str, np.ndarray]:
    """points [P, 3] and colors [P, 3]."""
    with reading(path, expected="the points of a capture", fix=_AGAIN):
        found = load_file(regular(path))
    for name in ("points", "colors"):
        if name not in found or found[name].ndim != 2 or found[name].shape != (len(found["points"]), 3):
            raise InputError(path, expected="points [P, 3] and colors [P, 3]", got=sorted(found), fix=_AGAIN)
    return found


def _read_layer(folder: Path, names: list[str]) -> np.ndarray | None:
    if not folder.is_dir():
        return None
    frames = []
    for name in names:
        try:
            with open_picture(folder / name) as image:
                frames.append(np.array(image))
        except OSError as error:
            raise InputError(folder / name, expected="a readable PNG", got=error, fix=_AGAIN) from error
    if len({frame.shape for frame in frames}) > 1:
        raise InputError(folder, expected="pictures of one size", got="several", fix=_AGAIN)
    stack = np.stack(frames)
    return stack.astype(np.uint16) if folder.name in ("instance", "depth") else stack
