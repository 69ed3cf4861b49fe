"""Choose a model for every item of a home and put it in its place."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from chorus.sources.sweethome3d.catalog import DEFAULTS, OWN, CatalogueModel, stand_ins
from chorus.sources.sweethome3d.classes import CLASS_ID, class_of, is_primitive
from chorus.sources.sweethome3d.colors import draw_style, recolor
from chorus.sources.sweethome3d.home_xml import Item
from chorus.sources.sweethome3d.mesh import Material, SoupBuilder
from chorus.sources.sweethome3d.models import Model, ModelStore
from chorus.sources.sweethome3d.own_models import own_model
from chorus.sources.sweethome3d.rows import length
from chorus.sources.sweethome3d.textures import paint
from chorus.sources.sweethome3d.walls import wall_part

SIMILAR, STRETCHED = 1.45, 3.1  # how much a side may change relative to the others: wished for, and at most
GLASS = Material(color=(0.86, 0.91, 0.93), name="glass")
LAMP_GLOW = 0.9


@dataclass
class Furnisher:
    """Puts items into a SoupBuilder, counting what was drawn with which kind of model and what had to be skipped."""

    store: ModelStore
    archives: dict[str, Path]  # furniture libraries and, as DEFAULTS, the jar
    libraries: tuple[str, ...]  # those this scene may use; empty: default models as the designer coloured them
    seed: int
    lamps_on: bool
    counts: dict[str, int] = field(default_factory=dict)  # items by the model drawn for them, "archive/model"
    shown: dict[int, str] = field(default_factory=dict)  # the model of each instance, by its number
    missing: list[str] = field(default_factory=list)

    def add(
        self, builder: SoupBuilder, item: Item, *, base: float, instance: int, view: Material | None, alone: bool = True
    ) -> None:
        """One item standing on a level at height ``base`` (m); view: what its panes show, None for an inner window.

        alone: nothing stands in the same place (a stall must not stand in for a shower over a bathtub).
        """
        semantic = class_of(item)
        kind = (
            "showerOverBath" if semantic == CLASS_ID["shower"] and not alone else item.catalog_id.removeprefix("eTeks#")
        )
        stand_in = self.choose(item, kind)
        name, model = self.load(item, stand_in)
        if model is None:
            self.missing.append(item.catalog_id or item.name)
            return
        self.counts[name] = self.counts.get(name, 0) + 1
        self.shown.setdefault(instance, name)
        placed = _placed(item, stand_in, kind)
        corners, normals = place(model, placed, base=base)
        materials = self._materials(item, model, swapped=stand_in is not None)
        material, uv = model.material, model.uv
        if model.pane.any():
            shows = view if view is not None and semantic in (CLASS_ID["window"], CLASS_ID["door"]) else GLASS
            material = np.where(model.pane, len(materials), material)
            uv = np.where(model.pane[:, None, None], _view_uv(corners, placed, base), uv)
            materials = (*materials, shows)
        builder.add_many(
            corners,
            uv=uv,
            material=material,
            materials=materials,
            semantic=semantic,
            instance=instance,
            normals=normals,
        )

    def load(self, item: Item, stand_in: CatalogueModel | None) -> tuple[str, Model | None]:
        """The model to draw, with the name it is counted under; None when the item's own is absent."""
        if stand_in is None:
            return f"{DEFAULTS}/{Path(item.model).stem}", self.store.load(
                self.archives[DEFAULTS], item.model, item.rotation
            )
        if stand_in.archive is None:
            return stand_in.name, own_model(stand_in.name.removeprefix(f"{OWN}/"))
        return stand_in.name, self.store.load(stand_in.archive, stand_in.path, stand_in.rotation)

    def choose(self, item: Item, kind: str) -> CatalogueModel | None:
        """A stand-in drawn by kind and shape, so that a set of equal chairs stays a set; None keeps the default
        model."""
        if not self.libraries or is_primitive(item) or abs(item.pitch) + abs(item.roll) > 1e-3:
            return None
        similar = partial(
            stand_ins,
            kind,
            item.size,
            libraries=self.libraries,
            archives=self.archives,
            in_wall=item.tag == "doorOrWindow",
        )
        found = similar(tolerance=SIMILAR) or similar(tolerance=STRETCHED)
        if not found:
            return None
        shape = f"{item.catalog_id} {np.rint(item.size * 20).astype(int).tolist()}"
        rng = np.random.default_rng([self.seed, zlib.crc32(shape.encode())])
        return found[int(rng.integers(len(found)))]

    def colors_of(self, item: Item) -> np.random.Generator:
        """What the item's colours are drawn from: the same for all items of one kind."""
        return np.random.default_rng([self.seed, zlib.crc32(item.catalog_id.encode()), 7])

    def _materials(self, item: Item, model: Model, *, swapped: bool) -> tuple[Material, ...]:
        """The model's materials in the designer's colours, or varied by the seed when libraries may stand in."""
        glow = self.lamps_on and item.tag == "light"
        rng = self.colors_of(item)
        style = draw_style(rng, class_of(item))
        made = []
        for m in model.materials:
            color = m.color
            if not swapped:
                color = item.materials.get(m.name) or item.color or color
            if self.libraries and max(color) < 0.06 and item.tag == "doorOrWindow" and m.texture is None:
                color = tuple(
                    paint(rng, value=(0.3, 0.8), saturation=(0.1, 0.5), hues=((0.03, 0.12),))
                )  # a pitch-black door
            elif self.libraries:
                color = recolor(m, color, style)
            shines = glow and min(color) > 0.55 and m.texture is None
            made.append(replace(m, color=tuple(float(c) for c in color), glow=LAMP_GLOW if shines else 0.0))
        return tuple(made)


def _placed(item: Item, stand_in: CatalogueModel | None, kind: str) -> Item:
    """The item as its stand-in fills it."""
    if stand_in is None:
        return item
    if item.tag == "doorOrWindow":
        return replace_in_wall(item, stand_in)
    return hang(item, stand_in.size) if kind == "showerOverBath" else item


def hang(item: Item, size: np.ndarray) -> Item:
    """The item at another size [3] (m), in the middle of its back and under its top: a shower head where a whole shower
    stood."""
    back = np.array([-np.sin(item.angle), np.cos(item.angle)])
    center = item.center + (item.size[1] - size[1]) / 2 * back
    return replace(
        item,
        size=size,
        plan_height=float(size[2]),
        center=center,
        elevation=item.elevation + item.plan_height - float(size[2]),
    )


def replace_in_wall(item: Item, model: CatalogueModel) -> Item:
    """The item with a catalogue door's or window's own depth, its wall part where the default's was."""
    center, half_depth = wall_part(item)
    distance, thickness = model.wall_depth
    depth = float(np.clip(2 * half_depth / max(thickness, 0.05), 0.04, model.size[1] * 1.5))
    moved = replace(
        item, size=np.array([item.size[0], depth, item.size[2]]), center=center, wall_depth=model.wall_depth
    )
    shift = wall_part(moved)[0] - center
    return replace(moved, center=center - shift)


def place(model: Model, item: Item, *, base: float) -> tuple[np.ndarray, np.ndarray]:
    """World corners and normals [T, 3, 3] of a model standing where the item says, its level at height ``base`` (m).

    The unit cube is scaled to the item's size, mirrored, pitched or rolled about its middle, turned about the vertical.
    """
    flip = np.array([-1.0 if item.mirrored else 1.0, 1.0, 1.0])
    turn = _turn(item)
    center = np.array([*item.center, base + item.elevation + item.plan_height / 2])
    corners = model.corners.reshape(-1, 3) @ (turn * (item.size * flip)).T + center
    normals = (turn * (flip * model.proportions / np.maximum(item.size, 1e-4))) @ model.normals.reshape(-1, 3).T
    normals /= np.maximum(length(normals), 1e-9)
    return corners.astype(np.float32).reshape(-1, 3, 3), normals.T.astype(np.float32).reshape(-1, 3, 3)


def _turn(item: Item) -> np.ndarray:
    """[3, 3] pitch about the item's width or roll about its depth, then its angle."""
    c, s = np.cos(item.angle), np.sin(item.angle)
    about_z = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    if item.pitch:
        c, s = np.cos(-item.pitch), np.sin(-item.pitch)
        return about_z @ np.array([[1.0, 0, 0], [0, c, -s], [0, s, c]])
    c, s = np.cos(item.roll), np.sin(item.roll)
    return about_z @ np.array([[c, 0, s], [0, 1.0, 0], [-s, 0, c]])


def _view_uv(corners: np.ndarray, item: Item, base: float) -> np.ndarray:
    """[T, 3, 2] along the wall and up, so that a pane shows the sky above and the lawn below."""
    along = np.array([np.cos(item.angle), np.sin(item.angle)])
    u = corners[..., :2] @ along / 5.0
    return np.stack([u, np.clip((corners[..., 2] - base) / 2.8, 0.01, 0.99)], axis=-1)
