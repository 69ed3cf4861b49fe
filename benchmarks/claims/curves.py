"""Figures against how much was learnt from, where a claim is about that: a line a kind of encoder, as wide as seeds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.claims.declared import (
    CLOUD,
    FRESH,
    MASKED,
    POINT,
    SCRATCH,
    SHARES,
    SHIPPED_CLOUD,
    SHIPPED_POINT,
    SPLATS,
    Side,
    probe_of,
)
from benchmarks.claims.results import Results, values
from chorus.evaluate import plots
from chorus.probe import POINTS
from chorus.store import atomic_file

Line = dict[float, tuple[Side, str]]  # place on the axis -> whose figure, and which


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A picture of a claim: lines by name, mIoU in percent."""

    letter: str
    name: str
    x: str
    y: str
    lines: dict[str, Line]


def _labelled(amounts: dict[float, dict]) -> dict[str, Line]:
    kinds = {f"{CLOUD}, linear probe": (POINT, "linear"), f"{SHIPPED_CLOUD}, linear probe": (SHIPPED_POINT, "linear")}
    kinds["from scratch"] = (SCRATCH, "tune")
    return {
        said: {place: (probe_of(said, encoder, kind=kind, **amount), kind) for place, amount in amounts.items()}
        for said, (encoder, kind) in kinds.items()
    }


def _alone(said: str, encoder, shares: tuple[float, ...]) -> Line:
    return {100 * share: (Side(said=said, encoder=replace(encoder, rooms=share)), "linear") for share in shares}


CURVES = (
    Curve(
        letter="f",
        name="rooms",
        x="% of the rooms' labels",
        y="mIoU, %",
        lines=_labelled({100 * share: {"rooms": share} for share in SHARES}),
    ),
    Curve(
        letter="f",
        name="points",
        x="labelled points a room",
        y="mIoU, %",
        lines=_labelled({float(count): {"points": count} for count in POINTS}),
    ),
    Curve(
        letter="i",
        name="rooms",
        x="% of the rooms trained on",
        y="linear probe mIoU, %",
        lines={
            "student": _alone("student", SPLATS, (0.2, 0.5, 1.0)),
            "masked modelling": _alone("masked modelling", MASKED, (1.0,)),
            "an untrained encoder": {100.0: (FRESH, "linear")},
        },
    ),
)


def draw(curve: Curve, results: Results, path: Path) -> bool:
    """Write the picture; nothing where no line has a run."""
    found = {}
    for said, line in curve.lines.items():
        places = {place: values(results.of(side), figure, "miou") for place, (side, figure) in line.items()}
        if places := {place: each for place, each in places.items() if each}:
            found[said] = places
    if not found:
        return False
    figure = plots.spread(found, x=curve.x, y=curve.y)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as out:
        plots.save_png(figure, out)
    plots.close(figure)
    return True
