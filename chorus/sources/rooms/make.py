"""From a number to a Capture: a home is drawn, furnished, lit and seen; drawn again where that leads nowhere."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from chorus.capture import Capture
from chorus.errors import InputError
from chorus.params import CaptureParams
from chorus.scene_list import GeneratedRoom
from chorus.sources.rooms.catalogue import DRAWN, LIBRARIES, Catalogue
from chorus.sources.rooms.cells import Unfurnishable
from chorus.sources.rooms.drawn import drawn_model
from chorus.sources.rooms.finishes import draw_finish
from chorus.sources.rooms.home import DrawnHome, draw_home
from chorus.sources.rooms.light import Light, draw_light, draw_sensor, expose
from chorus.sources.rooms.stairwell import CEILING_INDEX, add_shaft
from chorus.sources.sweethome3d.assemble import RoomScene, assemble_room
from chorus.sources.sweethome3d.catalog import DEFAULTS, CatalogueModel
from chorus.sources.sweethome3d.fetch import find_homes
from chorus.sources.sweethome3d.furnish import Furnisher
from chorus.sources.sweethome3d.home_xml import Item
from chorus.sources.sweethome3d.make import capture_of
from chorus.sources.sweethome3d.mesh import SoupBuilder
from chorus.sources.sweethome3d.models import Model
from chorus.sources.sweethome3d.raycast import Tracer
from chorus.sources.sweethome3d.render import render
from chorus.sources.sweethome3d.sensor import develop
from chorus.sources.sweethome3d.viewpoints import choose_views

ATTEMPTS = 40  # draws of one room, one after the other
Result = TypeVar("Result")


@dataclass
class _Furnisher(Furnisher):
    """Draws every item with the model that the layout chose for it, in colours of its own."""

    known: dict[str, CatalogueModel] = field(default_factory=dict)

    def choose(self, item: Item, kind: str) -> CatalogueModel:
        del kind  # what fits was asked when it was placed
        return self.known[item.model]

    def load(self, item: Item, stand_in: CatalogueModel | None) -> tuple[str, Model | None]:
        library, _, name = item.model.partition("/")
        if library != DRAWN:
            return super().load(item, stand_in)
        return item.model, drawn_model(name, np.random.default_rng([self.seed, self._shade(item), 9]))

    def colors_of(self, item: Item) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32(item.model.encode()), 7])

    @staticmethod
    def _shade(item: Item) -> int:
        return zlib.crc32(np.round(item.center, 3).tobytes())


def draw(spec: GeneratedRoom, catalogue: Catalogue) -> DrawnHome:
    """The home of the first draw that can be furnished. Raises InputError when none of ATTEMPTS can."""
    return _first(spec, lambda rng, attempt: _draw(spec, catalogue, rng))


def make_generated(spec: GeneratedRoom, params: CaptureParams, *, homes_dir: Path) -> Capture:
    """Render one generated room: posed images with depth, class and instance. The same bytes for the same spec and
    params, whatever other rooms are asked for.

    Raises MissingError without the packages, InputError for a damaged file or a room that cannot be furnished.
    """
    catalogue = Catalogue(find_homes(homes_dir))
    return _first(spec, lambda rng, attempt: _capture(spec, params, catalogue, rng, attempt))


def _first(spec: GeneratedRoom, attempt: Callable[[np.random.Generator, int], Result]) -> Result:
    """What the first attempt gives that is not Unfurnishable; each has a generator of its own."""
    reason = ""
    for number in range(ATTEMPTS):
        try:
            return attempt(np.random.default_rng([spec.seed, spec.number, number]), number)
        except Unfurnishable as error:
            reason = str(error)
    raise InputError(
        f"scene {spec.id}",
        expected=f"a {spec.kind} that can be furnished in one of {ATTEMPTS} draws",
        got=reason,
        fix="Choose another seed, or leave this kind out of `generated` in data/scenes.yaml.",
    )


def _draw(spec: GeneratedRoom, catalogue: Catalogue, rng: np.random.Generator) -> DrawnHome:
    return draw_home(rng, spec.kind, models=catalogue.models, surfaces=catalogue.surfaces)


def _capture(spec, params: CaptureParams, catalogue: Catalogue, rng: np.random.Generator, attempt: int) -> Capture:
    drawn = _draw(spec, catalogue, rng)
    light, sensor = draw_light(rng), draw_sensor(rng)
    room = assemble(spec, drawn, catalogue, light, seed=int(rng.integers(2**31)), attempt=attempt)
    tracer = Tracer(room.soup.corners)
    fov = float(rng.uniform(60.0, 84.0))
    try:
        cameras, overlaps = choose_views(
            room, tracer, views=params.views, width=params.width, height=params.height, fov_deg=fov, rng=rng
        )
    except InputError as error:
        raise Unfurnishable("no free place for a camera") from error
    frames = render(room, tracer, cameras, preset=light.preset)
    seen = expose(frames.radiance, sensor)
    images = develop(seen, rng, exposure=sensor.exposure, noise=sensor.noise)
    return capture_of(room, frames, cameras, images=images, overlaps=overlaps, fov=fov)


def assemble(
    spec: GeneratedRoom, drawn: DrawnHome, catalogue: Catalogue, light: Light, *, seed: int, attempt: int
) -> RoomScene:
    """The captured room of a drawn home as the renderer wants it."""
    home = drawn.home
    furnisher = _Furnisher(
        store=catalogue.store,
        archives={**catalogue.homes.libraries, DEFAULTS: catalogue.homes.jar},
        libraries=LIBRARIES,
        seed=seed,
        lamps_on=light.lamps_on,
        known=catalogue.known,
    )
    finishes = {
        i: draw_finish(np.random.default_rng([seed, i, 11]), cell.kind) for i, cell in enumerate(drawn.plan.cells)
    }
    builder = SoupBuilder()
    if drawn.well is not None:
        finishes[CEILING_INDEX] = finishes[0]
        add_shaft(builder, drawn.well, finishes[0])
    info = {
        "source": "rooms",
        "home": spec.id,
        "room": 0,
        "room_name": drawn.room.name,
        "area_m2": round(drawn.room.area, 2),
        "domain": spec.domain,
        "split": spec.split,
        "light": light.name,
        "seed": spec.seed,
        "furniture": list(LIBRARIES),
        "kind": spec.kind,
        "rooms": len(drawn.plan.cells),
        "redrawn": attempt,
    }
    return assemble_room(home, drawn.room, builder, furnisher=furnisher, finishes=finishes, glow=light.glow, info=info)
