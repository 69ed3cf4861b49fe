"""Draw docs/architecture.svg: the chain from photos to answers, and the rendering weights under it."""

from __future__ import annotations

from html import escape
from pathlib import Path

WIDTH, HEIGHT = 1120, 440
BOX = {"w": 176, "h": 66}
INK, SOFT = "#25222b", "#5f5a68"
KINDS = {"scene": "#e8e2f7", "teacher": "#fbe6d3", "model": "#d9efdf", "use": "#fdf5cf", "weights": "#dfe8f4"}
BOXES = {  # name: (left, top, kind, title, what)
    "photos": (20, 40, "scene", "capture", "photos, video, splats"),
    "gaussians": (248, 40, "scene", "Gaussians", "fitted, or read"),
    "encoder": (704, 40, "model", "encoder", "one pass over a scene"),
    "features": (924, 40, "use", "features", "one a Gaussian"),
    "views": (248, 196, "teacher", "teacher views", "2D models look"),
    "targets": (476, 196, "teacher", "targets", "lifted, compact rows"),
    "adapted": (704, 196, "model", "adapted encoder", "another domain"),
    "answers": (924, 196, "use", "answers", "words, clicks, labels"),
}
ARROWS = (  # from, to, caption
    ("photos", "gaussians", "fit"),
    ("gaussians", "encoder", "read: voxels of 8 cm"),
    ("encoder", "features", ""),
    ("gaussians", "views", "render"),
    ("views", "targets", "lift"),
    ("targets", "encoder", "distill"),
    ("encoder", "adapted", ""),
    ("features", "answers", ""),
)
WEIGHTS = (248, 352, 632, 66)
NOTES = (  # box, caption of its line down to the weights
    ("views", "W X: the renders"),
    ("targets", "G = Wᵀ B: each teacher lifted"),
    ("adapted", "W X: features to the views"),
)


def box(left: float, top: float, width: float, height: float, kind: str, title: str, what: str) -> str:
    middle = left + width / 2
    return (
        f'<rect x="{left}" y="{top}" width="{width}" height="{height}" rx="10" fill="{KINDS[kind]}" stroke="{SOFT}"/>'
        f'<text x="{middle}" y="{top + 28}" class="title">{escape(title)}</text>'
        f'<text x="{middle}" y="{top + 49}">{escape(what)}</text>'
    )


def arrow(start: tuple[float, float], end: tuple[float, float], caption: str = "") -> str:
    """A line with a head, its caption beside its middle."""
    (x0, y0), (x1, y1) = start, end
    line = f'<path d="M{x0} {y0} L{x1} {y1}" class="line" marker-end="url(#head)"/>'
    if not caption:
        return line
    steep = abs(y1 - y0) > abs(x1 - x0)
    level = y0 == y1
    shift = -9 if level else 22  # above a level line, below a slanting one
    place = (
        (x0 + 10, (y0 + y1) / 2 + 5, "left")
        if steep
        else ((x0 + x1) / 2 + 0.6 * (shift + 9), (y0 + y1) / 2 + shift, "")
    )
    return line + f'<text x="{place[0]}" y="{place[1]}" class="caption {place[2]}">{escape(caption)}</text>'


def ends(first: str, second: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """Where an arrow leaves one box and meets the other: side to side in a row, else from below or above."""
    (x0, y0), (x1, y1) = BOXES[first][:2], BOXES[second][:2]
    w, h = BOX["w"], BOX["h"]
    if y0 == y1:
        return (x0 + w, y0 + h / 2), (x1 - 3, y1 + h / 2)
    if x0 == x1:
        return (x0 + w / 2, y0 + h), (x1 + w / 2, y1 - 3)
    return (x0 + w * 0.75, y0), (x1 + w * 0.2, y1 + h + 4)


def drawing() -> str:
    """The whole picture as SVG."""
    left, top, width, height = WEIGHTS
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="system-ui, sans-serif">',
        f"<style>text {{ font-size: 14px; fill: {SOFT}; text-anchor: middle }} .title {{ font-size: 17px; "
        f"font-weight: 600; fill: {INK} }} .caption {{ font-size: 13px; fill: {INK} }} .left {{ text-anchor: start }} "
        f".line {{ stroke: {SOFT}; stroke-width: 1.6; fill: none }}</style>",
        f'<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        f'<path d="M0 0 L8 4 L0 8 z" fill="{SOFT}"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="14" fill="#ffffff"/>',
    ]
    parts += [arrow(*ends(first, second), caption) for first, second, caption in ARROWS]
    for name, caption in NOTES:
        x = BOXES[name][0] + BOX["w"] / 2
        parts.append(arrow((x, top), (x, BOXES[name][1] + BOX["h"] + 4), caption))
    parts += [box(x, y, BOX["w"], BOX["h"], kind, title, what) for x, y, kind, title, what in BOXES.values()]
    about = "of every Gaussian in every pixel, worked out once and used everywhere"
    parts.append(box(left, top, width, height, "weights", "rendering weights W", about))
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    path = Path(__file__).with_name("architecture.svg")
    path.write_text(drawing())
    print(path)
