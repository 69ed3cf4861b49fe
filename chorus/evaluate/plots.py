"""Charts of the report. SVG takes the page's text colour, so it reads on light and dark; PNG copies lie beside the
report."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from chorus.extras import extra

COLORS = {"student": "#e07b39", "points": "#4c8fbd", "lifted": "#6aa56e", "chance": "#9a9a9a"}
FAINT = 0.005  # share of a row below which a cell of a confusion matrix stays empty
NOISY = 150  # rows of a curve that has not been averaged already
INK = "#7f7e7d"  # stands for the page's text colour until the SVG is written


def _pyplot():
    with extra("report"):
        import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update(
        {
            "svg.hashsalt": "chorus",
            "svg.fonttype": "none",
            "font.family": "sans-serif",
            "font.size": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    )
    for key in ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"):
        plt.rcParams[key] = INK
    return plt


def per_class(table: Mapping[str, Mapping[str, float | None]], methods: tuple[str, ...], withheld: tuple[str, ...]):
    """Horizontal bars: IoU of every class the truth holds, one bar for each method, classes by size; withheld names
    starred."""
    plt = _pyplot()
    names = [name for name, row in sorted(table.items(), key=lambda item: item[1]["count"] or 0) if row["count"]]
    figure, axes = plt.subplots(figsize=(7.5, 0.9 + 0.3 * len(names)))
    height = 0.8 / max(1, len(methods))
    for m, method in enumerate(methods):
        values = [table[name].get(method) or 0.0 for name in names]
        places = [i + 0.4 - (m + 0.5) * height for i in range(len(names))]
        axes.barh(places, values, height=height, color=COLORS[method], label=method)
    axes.set_yticks(range(len(names)), [f"{name}{' *' if name in withheld else ''}" for name in names])
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_xlabel("IoU, %   (* name withheld from the language teacher)")
    axes.grid(axis="x", color=INK, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(methods))
    figure.tight_layout()
    return figure


def intervals(rows: Mapping[str, tuple[float, float, float]], *, x: str):
    """A bar for each row, from low to high, and its mean; zero drawn. A row's name may have several lines."""
    plt = _pyplot()
    lines = max(name.count("\n") + 1 for name in rows)
    figure, axes = plt.subplots(figsize=(7.5, 0.8 + (0.2 + 0.14 * lines) * len(rows)))
    for place, (mean, low, high) in enumerate(rows.values()):
        color = COLORS["lifted"] if low > 0 else COLORS["student"] if high < 0 else COLORS["chance"]
        axes.plot([low, high], [place, place], color=color, linewidth=3, solid_capstyle="butt")
        axes.plot([mean], [place], "o", color=color)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(rows)), list(rows), fontsize=8)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel(x, fontsize=8)
    figure.tight_layout()
    return figure


def confusion(table: Mapping[str, Mapping[str, int]], names: Sequence[str]):
    """Rows what is there, columns what it was called, as shares of a row; the names in their order, those that neither
    is left out, and whatever else it was called at the end. Shares of a tenth and more are written in."""
    plt = _pyplot()
    from matplotlib.patches import Rectangle

    called = {name for row in table.values() for name in row}
    rows = [name for name in names if name in table]
    across = [name for name in names if name in called] + sorted(called - set(names))
    side = 1.6 + 0.2 * max(len(rows), len(across))
    figure, axes = plt.subplots(figsize=(side, 1.2 + 0.2 * len(rows)))
    for i, name in enumerate(rows):
        total = sum(table[name].values())
        for j, other in enumerate(across):
            share = table[name].get(other, 0) / total
            if share < FAINT:
                continue
            color = COLORS["lifted" if name == other else "student"]
            axes.add_patch(Rectangle((j, i), 1, 1, facecolor=color, alpha=0.08 + 0.92 * share, linewidth=0))
            if share >= 0.1:
                place = {"ha": "center", "va": "center", "fontsize": 5.5}
                axes.text(j + 0.5, i + 0.52, f"{100 * share:.0f}", **place)
    axes.set(xlim=(0, len(across)), ylim=(len(rows), 0))
    axes.set_xticks([j + 0.5 for j in range(len(across))], across, rotation=90, fontsize=7)
    axes.set_yticks([i + 0.5 for i in range(len(rows))], rows, fontsize=7)
    axes.tick_params(length=0)
    axes.grid(False)
    axes.set_xlabel("called, % of the points of a row")
    axes.set_ylabel("there")
    figure.tight_layout()
    return figure


def calibration(table: Mapping[str, Mapping]):
    """How often a name is right against the share it gets, a line a method; the dashed line is a probability."""
    plt = _pyplot()
    figure, axes = plt.subplots(figsize=(4.6, 3.6))
    axes.plot([0, 100], [0, 100], color=INK, linestyle="--", linewidth=0.8)
    for method, found in table.items():
        bins = found["bins"]
        if not bins:
            continue
        places = [one["share"] for one in bins], [one["right"] for one in bins]
        label = f"{method}: {found['ece']:.0f} off"
        axes.plot(*places, color=COLORS[method], marker="o", markersize=4, linewidth=1.5, label=label)
    axes.set(xlim=(0, 100), ylim=(0, 100), xlabel="share of the name that fits best, %", ylabel="right, %")
    axes.grid(color=INK, alpha=0.2, linewidth=0.6)
    axes.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    return figure


def columns(rows: Sequence[Mapping[str, float | None]]) -> dict[str, tuple[list[float], list[float]]]:
    """Rows of a curves.csv, as name -> (steps, values); empty cells are skipped."""
    names = [name for name in rows[0] if name != "step"]
    table: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in names}
    for row in rows:
        for name, (steps, values) in table.items():
            step, value = row["step"], row.get(name)
            if step is not None and value is not None:
                steps.append(step)
                values.append(value)
    return table


def curves(tables: Mapping[str, dict[str, tuple[list[float], list[float]]]]):
    """One small chart for each column of each model's curves but the learning rate; long noisy ones also smoothed."""
    plt = _pyplot()
    charts = [
        (model, name, line)
        for model, table in tables.items()
        for name, line in table.items()
        if len(line[0]) > 1 and name != "lr"
    ]
    columns = min(3, max(1, len(charts)))
    rows = max(1, -(-len(charts) // columns))
    figure, grid = plt.subplots(rows, columns, figsize=(3.2 * columns, 2.2 * rows), squeeze=False)
    for axes in grid.flat[len(charts) :]:
        axes.set_visible(False)
    for axes, (model, name, (steps, values)) in zip(grid.flat, charts, strict=False):
        noisy = len(values) > NOISY
        axes.plot(steps, values, color=COLORS["student"], alpha=0.3 if noisy else 1.0, linewidth=0.8 if noisy else 1.5)
        if noisy:
            axes.plot(steps, smooth(values), color=COLORS["student"], linewidth=1.5)
        axes.set_title(f"{model}: {name}", fontsize=9)
        axes.grid(color=INK, alpha=0.2, linewidth=0.6)
    figure.tight_layout()
    return figure


def spread(
    series: Mapping[str, Mapping[float, Sequence[float]]],
    *,
    x: str,
    y: str,
    level: float | None = None,
    twins: Mapping[str, str] | None = None,
):
    """A line a series through the means of its values at each place of a logarithmic axis, the range of them shaded.

    series: name -> place -> values; x, y: what the axes measure; level: a dashed line across, of the lifted teacher;
    twins: name -> an earlier series, whose color it takes, dotted and hollow.
    """
    plt = _pyplot()
    figure, axes = plt.subplots(figsize=(7.6, 3.8))
    lines, twins = {}, twins or {}
    for name, table in series.items():
        places = sorted(table)
        means = [sum(table[place]) / len(table[place]) for place in places]
        like = {"color": lines[twins[name]].get_color(), "ls": ":", "mfc": "none"} if name in twins else {}
        (line,) = axes.plot(places, means, marker="o", markersize=5, label=name, **like)
        lines[name] = line
        lows, highs = ([least(table[place]) for place in places] for least in (min, max))
        axes.fill_between(places, lows, highs, color=line.get_color(), alpha=0.15, linewidth=0)
    if level is not None:
        axes.axhline(level, color=COLORS["lifted"], linestyle="--", linewidth=1, label="lifted teacher")
    axes.set_xscale("log")
    ticks = sorted({place for table in series.values() for place in table})
    axes.set_xticks(ticks, [f"{place:g}" for place in ticks])
    axes.minorticks_off()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(color=INK, alpha=0.2, linewidth=0.6)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))  # no line runs there
    figure.tight_layout()
    return figure


def smooth(values: list[float], weight: float = 0.9) -> list[float]:
    """Exponential moving average without the start's bias."""
    mean, norm, out = 0.0, 0.0, []
    for value in values:
        mean, norm = weight * mean + (1 - weight) * value, weight * norm + (1 - weight)
        out.append(mean / norm)
    return out


def svg(figure) -> str:
    """A figure as inline SVG, its ink the page's own text colour. Closes nothing."""
    stream = io.StringIO()
    figure.savefig(
        stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
    )
    text = stream.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.S)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text)  # inside HTML the namespace is known
    return text.replace(INK, "currentColor").replace("<svg ", '<svg role="img" ', 1)


def save_png(figure, path: Path) -> None:
    """The same figure as a PNG on white."""
    figure.savefig(path, format="png", dpi=110, facecolor="white", metadata={"Software": None})


def close(figure) -> None:
    _pyplot().close(figure)
