"""What must hold of a capture before it goes on: one list of rules, for command line, library and Dagster alike.

An error stops; a warning is said and lets it pass; what a reader left out it has counted in ``info["skipped"]``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from chorus.capture import Capture
from chorus.errors import InputError

Row = Mapping[str, object]
_BRIGHTNESS, _CONTRAST = (8, 250), 4  # of 0..255: what a view that shows something has
_MINORITY = 1 / 3  # of the views: more blank ones are no mishap
_CLIPPED = (3, 252)  # values at or beyond which a pixel shows nothing any more


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A column of a table of a capture, and what its values must be (in the share ``mostly`` of the rows)."""

    table: Literal["views", "capture"]
    column: str
    says: str
    fix: str  # may hold {value}, what was found, and other columns of that row
    low: float | None = None
    high: float | None = None
    mostly: float = 1.0
    severity: Literal["error", "warning"] = "error"

    def broken(self, rows: Sequence[Row]) -> Finding | None:
        """What it says of a table, where it does not hold; cells without a number are passed over."""
        rows = [row for row in rows if isinstance(row.get(self.column), (int, float))]
        values = np.array([row[self.column] for row in rows], float)
        bad = np.zeros(len(values), bool)
        for limit, beyond in ((self.low, np.less), (self.high, np.greater)):
            if limit is not None:
                bad |= beyond(values, limit) | np.isnan(values)
        if len(values) == 0 or 1 - bad.mean() >= self.mostly:
            return None
        first = int(np.flatnonzero(bad)[0])
        worst = float(values[first])
        count = f" in {bad.sum()} of {len(values)} views" if self.table == "views" else ""
        return Finding(
            self.severity,
            self.says,
            f"{self.column} {worst:.3g}{count}",
            self.fix.format(**{**rows[first], "value": worst}),
        )


@dataclass(frozen=True)
class Finding:
    """One rule that does not hold."""

    severity: Literal["error", "warning"]
    expected: str
    got: str
    fix: str

    def __str__(self) -> str:
        return f"expected {self.expected}, got {self.got}. {self.fix}"


def check_capture(capture: Capture) -> list[Finding]:
    """Every rule that a capture breaks, errors first."""
    tables = {"views": view_rows(capture), "capture": [capture_row(capture)]}
    found = [finding for rule in RULES if (finding := rule.broken(tables[rule.table])) is not None]
    return sorted(found, key=lambda finding: finding.severity != "error")


def passed(capture: Capture, where: object) -> list[str]:
    """The warnings, a line each. Raises InputError for the first error."""
    found = check_capture(capture)
    if found and found[0].severity == "error":
        raise InputError(where, expected=found[0].expected, got=found[0].got, fix=found[0].fix)
    return [str(finding) for finding in found]


def without_blanks(capture: Capture) -> Capture:
    """The capture without views that are black, white or of one colour, counted, where those are a minority."""
    blank = np.array([_blank(row) for row in view_rows(replace(capture, depth=None))])
    if not blank.any() or blank.mean() > _MINORITY:
        return capture
    skipped = {**capture.info.get("skipped", {}), "black, white or blank": int(blank.sum())}
    return replace(capture.select(~blank), info={**capture.info, "skipped": skipped})


def _blank(row: dict) -> bool:
    return not _BRIGHTNESS[0] <= row["brightness"] <= _BRIGHTNESS[1] or row["contrast"] < _CONTRAST


def view_rows(capture: Capture) -> list[dict]:
    """A row a view: brightness and contrast (0..255), share of pixels too dark or too bright to show anything, of
    pixels with depth, with a label, and seen again in a neighbouring view."""
    rows = []
    for i, image in enumerate(capture.images):
        pixels = image if capture.mask is None or not capture.mask[i].any() else image[capture.mask[i]]
        row: dict[str, object] = {"view": i, "brightness": float(pixels.mean()), "contrast": float(pixels.std())}
        row["clipped"] = float(((pixels <= _CLIPPED[0]) | (pixels >= _CLIPPED[1])).all(axis=-1).mean())
        if capture.mask is not None:
            row["taking_part"] = float(capture.mask[i].mean())
        if capture.depth is not None:
            row["depth_share"] = float((capture.depth[i] > 0).mean())
            if row["depth_share"]:  # where nothing is known nothing can be shared: that is told once
                row["overlap"] = capture.overlap(i)
        if capture.semantic is not None:
            row["labeled"] = float((capture.semantic[i] > 0).mean())
        rows.append(row)
    return rows


def capture_row(capture: Capture) -> dict:
    """One row: how many views, how large it is in metres, what was left out, and what its photos say of its poses."""
    skipped = sum(capture.info.get("skipped", {}).values())
    row = {"views": len(capture), "skipped": skipped / (skipped + len(capture)), **capture.info.get("measured", {})}
    if capture.depth is not None:  # depth is parallax enough
        row.pop("parallax", None)
        row.pop("baseline", None)
    if "depth_ratio" in row:
        row["depth_counts"] = float(row["depth_ratio"]) * float(capture.info.get("depth_scale", 1000.0))
    if capture.frame.unit == "m":
        row["extent"] = _extent(capture)
    return row


def _extent(capture: Capture) -> float:
    """Metres from the cameras to what they see, the median; their own spread where nothing tells it."""
    if capture.depth is not None and (capture.depth > 0).any():
        return float(np.median(capture.depth[capture.depth > 0]))
    if capture.points is not None and len(capture.points):
        return capture.cameras.distance_to(capture.points)
    return float(np.linalg.norm(np.ptp(capture.cameras.positions, axis=0)))


_TURN = (
    "No parallax. The camera only turned: walk while you take photos, half a metre between them, or bring depth. "
    "Where it did move, the poses have lost their positions: export them again."
)
_SCALE = "Say the length of one unit with --unit mm, cm, m, in or ft, or --scale METRES; of depth with --depth-scale."
_AXES = (
    "The poses do not fit the photos: check that they are camera-to-world in OpenGL axes (transforms.json) or OpenCV "
    "axes (RGB-D), in the order of the photos, that the lens is the one declared, and that photos are not mirrored, "
    "cropped or panoramas."
)
_LIGHT = (
    "Leave out lens caps, title cards and blank frames; where all are so, expose them anew, or export them with their "
    "tone curve (sRGB): linear and raw values look black."
)
_DEPTH = "Check that the depth images belong to the colour images and are not empty."
_APART = "Take or keep more frames between them: neighbours should share half of what they show."

RULES: tuple[Rule, ...] = (
    Rule(table="capture", column="views", low=6, says="at least 6 views", fix="Take more photos, or raise max_views."),
    Rule(table="capture", column="baseline", low=0.02, says="cameras that move (parallax)", fix=_TURN),
    Rule(table="capture", column="parallax", low=1.0, says="cameras that move (parallax)", fix=_TURN),
    Rule(table="capture", column="agreement", low=0.15, says="poses that the photos agree with", fix=_AXES),
    Rule(
        table="capture",
        column="agreement",
        low=0.35,
        severity="warning",
        says="poses that most matches between the photos agree with",
        fix=_AXES,
    ),
    Rule(
        table="capture",
        column="depth_ray",
        high=0.6,
        says="depth along the optical axis (0), not along each pixel's ray (1)",
        fix="Multiply each pixel by the z of its unit ray: z = d / sqrt(1 + ((u - cx) / fx)^2 + ((v - cy) / fy)^2).",
    ),
    Rule(
        table="capture",
        column="depth_ratio",
        low=1 / 1.15,
        high=1.15,
        says="depth as deep as the poses say",
        fix="Depth contradicts the poses: if it does not count millimetres give --depth-scale {depth_counts:.4g} "
        "(counts a metre); if the poses are not in metres, --unit.",
    ),
    Rule(table="capture", column="extent", low=0.05, high=1000, says="0.05 to 1000 m to the surface", fix=_SCALE),
    Rule(
        table="capture",
        column="extent",
        low=0.2,
        high=100,
        severity="warning",
        says="0.2 to 100 m from camera to surface",
        fix=_SCALE,
    ),
    Rule(
        table="capture",
        column="skipped",
        high=0.2,
        severity="warning",
        says="few items left out",
        fix="See the counts.",
    ),
    Rule(
        table="views",
        column="brightness",
        low=_BRIGHTNESS[0],
        high=_BRIGHTNESS[1],
        mostly=0.9,
        says="views neither black nor white",
        fix=_LIGHT,
    ),
    Rule(table="views", column="contrast", low=_CONTRAST, mostly=0.8, says="views that are not blank", fix=_LIGHT),
    Rule(
        table="views",
        column="clipped",
        high=0.4,
        mostly=0.8,
        severity="warning",
        says="exposed views (few pixels at the ends of the range)",
        fix=_LIGHT,
    ),
    Rule(
        table="views",
        column="taking_part",
        low=0.1,
        mostly=0.9,
        says="masks that leave a tenth of most views",
        fix="Masks are black where a pixel is to be left out: invert them if they are the other way round.",
    ),
    Rule(table="views", column="depth_share", low=0.3, mostly=0.8, says="depth in most views", fix=_DEPTH),
    Rule(table="views", column="overlap", low=0.2, mostly=0.8, says="views that overlap their neighbours", fix=_APART),
    Rule(
        table="views",
        column="overlap",
        low=0.5,
        mostly=0.8,
        severity="warning",
        says="views that share half with a neighbour",
        fix=_APART,
    ),
)
