"""A plan on paper for H100-class cards: arithmetic on what paper_step measured and what is assumed below."""

from __future__ import annotations

CARDS, SCENES, EPOCHS = (1, 8, 16), (800, 3500), 600
GAUSSIANS = 965_000  # a scene of the paper

# Of other runs than this command.
ROWS_SHARE = (
    0.06  # of N x C halves: 1280 channels at error 0.01 took 0.060 with 28 views, 0.038 with 112 (docs/targets.md)
)
VIEWS_SHARE = 0.045  # patch maps in int8, of the same: python -m benchmarks.teachers storage

# Assumed.
PEAK = 989e12  # operations a second of an H100 SXM in bfloat16, dense, as its maker states
ENCODER_SHARE = 0.08  # of the peak, for gathers, windows of 16-channel heads and narrow layers
HEAD_SHARE = 0.40  # of the peak, for wide matrix products
BACKWARD = 3.0  # forward and backward, in forward passes
HALF_SHARE = 0.6  # of float32 activations that bfloat16 leaves
STATE = 16  # bytes a parameter: weight, gradient and AdamW's two moments in float32
CORES = 8  # of the host for a card, each as fast as one here
DISK = 2e9  # bytes a second that a card's share of the disk reads
LINK = 100e9  # bytes a second of gradients summed between cards, twice their size


def planned(found: dict) -> str:
    """GPU memory, seconds a step, bytes and days."""
    compute = BACKWARD * (
        found["encoder_operations"] / (ENCODER_SHARE * PEAK) + found["head_operations"] / (HEAD_SHARE * PEAK)
    )
    hidden = 3 * 2 * 2 * found["voxels"] * found["head_width"]  # three heads, before and after GELU, bfloat16
    memory = STATE * found["parameters"] + HALF_SHARE * found["kept_for_backward"] + hidden
    naive = 2 * GAUSSIANS * found["channels"]
    scene = found["scene_bytes_a_gaussian"] * GAUSSIANS
    read = ROWS_SHARE * 2 * found["rows"] * found["channels"] * _spill(found) + scene
    load = max(found["open_seconds"] / CORES, read / DISK)
    lines = [
        "\nassumed: " + ", ".join(f"{name} {value:g}" for name, value in sorted(assumed().items())),
        f"\non paper: {memory / 2**30:.0f} GiB of a card; a step computes {compute:.2f} s and is read in {load:.2f} s "
        f"({read / 1e6:.0f} MB), side by side; a scene takes {(ROWS_SHARE * naive + scene) / 1e6:.0f} MB "
        f"({ROWS_SHARE * naive / 1e6:.0f} its rows; N x C halves {naive / 1e9:.2f} GB), and "
        f"{VIEWS_SHARE * naive / 1e6:.0f} of patch maps until it is lifted\n",
        "| scenes | cards | steps | seconds a step | days | targets and Gaussians on disk | N x C halves |",
        "|---|---|---|---|---|---|---|",
    ]
    for scenes in SCENES:
        for cards in CARDS:
            shared = 0.0 if cards == 1 else 2 * 4 * found["parameters"] / LINK
            step = max(compute, load) + shared
            steps = EPOCHS * scenes / cards
            disk = scenes * (ROWS_SHARE * naive + scene) / 1e12
            lines.append(
                f"| {scenes} | {cards} | {steps:,.0f} | {step:.2f} | {steps * step / 86400:.1f} | {disk:.2f} TB | "
                f"{scenes * naive / 1e12:.1f} TB |"
            )
    return "\n".join(lines)


def assumed() -> dict[str, float]:
    """The constants nobody measured here."""
    names = "PEAK ENCODER_SHARE HEAD_SHARE BACKWARD HALF_SHARE STATE CORES DISK LINK".split()
    return {name: float(globals()[name]) for name in names}


def _spill(found: dict) -> float:
    """Rows of the chunks a crop touches, in rows of the crop: bounded by the scene it was cut from."""
    return found["touched_rows"] / found["rows"]
