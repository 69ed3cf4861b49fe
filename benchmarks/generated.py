"""Generated homes at a glance: ``python -m benchmarks.generated sheet | classes | seconds``; docs/generated.md shows
them."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import tyro
from PIL import Image, ImageDraw

from chorus.capture import Capture
from chorus.params import load_params
from chorus.scene_list import ROOM_KINDS, GeneratedRoom
from chorus.sources.rooms import draw, make_generated
from chorus.sources.rooms.catalogue import Catalogue
from chorus.sources.sweethome3d import CLASS_NAMES, find_homes

COLUMNS, TILE = 6, (232, 174)
ROOT = Path(__file__).parents[1]


def room(number: int, seed: int = 0) -> GeneratedRoom:
    """Room ``number`` (from 1) as data/scenes.yaml lists it when it names no kinds."""
    kind = ROOM_KINDS[(number - 1) % len(ROOM_KINDS)]
    return GeneratedRoom(id=f"gen-{number:04d}", number=number, seed=seed, kind=kind)


def sheet(
    out: Path = ROOT / "docs/generated.png", rooms: int = 24, first: int = 1, seed: int = 0, scale: float = 1.0
) -> None:
    """One view each of some rooms, the one that shows most things, in a picture of few colours."""
    size = (int(TILE[0] * scale), int(TILE[1] * scale))
    page = Image.new("RGB", (COLUMNS * size[0], -(-rooms // COLUMNS) * size[1]))
    params = replace(load_params(ROOT / "params.yaml").capture, views=12)
    for i in range(rooms):
        spec = room(first + i, seed)
        capture = make_generated(spec, params, homes_dir=ROOT / "data/homes")
        tile = Image.fromarray(capture.images[_fullest(capture)]).resize(size, Image.Resampling.LANCZOS)
        ImageDraw.Draw(tile).text(
            (3, 1), f"{spec.number} {spec.kind}", fill="white", stroke_width=1, stroke_fill="black"
        )
        page.paste(tile, (i % COLUMNS * size[0], i // COLUMNS * size[1]))
    page.quantize(224, dither=Image.Dither.NONE).save(out, optimize=True)
    print(f"{out}: {out.stat().st_size / 1e3:.0f} kB")


def _fullest(capture: Capture) -> int:
    """The view with the most things of a hundredth of the picture or more."""
    shown = [np.bincount(view.ravel())[1:] > view.size / 100 for view in np.asarray(capture.instance)]
    return int(np.argmax([large.sum() for large in shown]))


def classes(rooms: int = 100, seed: int = 0) -> None:
    """How often each class stands in some rooms: items, and rooms with at least one; doors and windows of the whole
    home left out."""
    catalogue = Catalogue(find_homes(ROOT / "data/homes"))
    items, holding, kinds, shapes = Counter(), Counter(), Counter(), Counter()
    for number in range(1, rooms + 1):
        spec = room(number, seed)
        drawn = draw(spec, catalogue)
        own = [o for o in drawn.plan.openings if 0 in (o.room, o.other)]
        labels = Counter(item.kind.label or "unlabelled" for item in drawn.spaces[0].items)
        labels += Counter("window" if "window" in o.kind else "door" for o in own)
        items.update(labels)
        holding.update(set(labels))
        kinds[spec.kind] += 1
        shapes[len(drawn.plan.cells)] += 1
    print("| class | items | rooms | | class | items | rooms |\n|---|---|---|---|---|---|---|")
    names = [name for name in CLASS_NAMES if name not in ("wall", "floor", "ceiling")]
    half = -(-len(names) // 2)
    for left, right in zip(names[:half], [*names[half:], ""], strict=False):
        print("| " + " | | ".join(f"{n} | {items[n]} | {holding[n]}" if n else " | |" for n in (left, right)) + " |")
    print(f"\nKinds: {', '.join(f'{count} {kind}' for kind, count in kinds.items())}.")
    print(f"Rooms of the home: {', '.join(f'{n} in {shapes[n]}' for n in sorted(shapes))}.")


def seconds(rooms: int = 14, first: int = 1, seed: int = 0) -> None:
    """CPU seconds of whole captures, once the models are parsed."""
    params = load_params(ROOT / "params.yaml").capture
    taken = []
    for number in [first, *range(first, first + rooms)]:
        start = time.process_time()
        capture = make_generated(room(number, seed), params, homes_dir=ROOT / "data/homes")
        taken.append(time.process_time() - start)
        print(f"{number} {capture.info['kind']}: {taken[-1]:.2f} s, {capture.info['triangles']} triangles", flush=True)
    print(f"mean of {rooms}: {np.mean(taken[1:]):.2f} CPU s a capture of {params.views} views")


if __name__ == "__main__":
    tyro.extras.subcommand_cli_from_dict({"sheet": sheet, "classes": classes, "seconds": seconds})
