"""What the numbers do not show, worked out from the numbers themselves."""

from __future__ import annotations

FEW_POINTS = 500
FEW_ROOMS = 10


def sentences(report: dict) -> list[str]:
    """Plain sentences on the limits of this very report: sample sizes, absent classes, withheld names, intervals that
    touch zero."""
    data, classes = report["data"], report["per_class"]
    present = {name: row["count"] for name, row in classes.items() if row["count"]}
    few = [name for name, points in present.items() if points < FEW_POINTS]
    absent = [name for name in classes if name not in present]
    out = [
        f"All figures come from {_count(len(data['held_out_rooms']), 'room')} of "
        f"{_count(len(data['held_out_homes']), 'home')}"
        + (
            " - too few for fine differences; the intervals resample rooms and say how much that matters."
            if len(data["held_out_rooms"]) < FEW_ROOMS
            else "."
        ),
        f"One random seed ({data['seed']}): how much another training run would differ is not in these intervals.",
        "The homes are designed by people but rendered by one program: light, sensor noise and furniture meshes "
        "are simpler than in a photographed home.",
    ]
    out += _models(data["models"])
    if few:
        out.append(f"Rest on fewer than {FEW_POINTS} points each, so that one object decides them: {_list(few)}.")
    if absent:
        out.append(f"Never occur in the held-out rooms, though they are candidates everywhere: {_list(absent)}.")
    out += _withheld(report, present)
    out += _uncertain(report)
    ceiling = report["zero_shot_ceiling"]["f_miou"]
    if ceiling is not None:
        out.append(
            f"With the true name on every Gaussian the vote would reach {ceiling:.1f} % f-mIoU: what is missing "
            f"to 100 is geometry, not words."
        )
    out.append(
        "Labels were read in two places: by the linear probe, of the training rooms (that is what a probe is), "
        "and by the embedded teachers' own "
        "training, of renders of the training homes, the second domain's training rooms among them. The encoder "
        "and its adaptation read none."
    )
    out.append("The lifted teacher is an upper reference, not a rival: it needs images of the very room.")
    return out


def _models(models: dict) -> list[str]:
    """Whether furniture was seen before."""
    if not models["held_out"]:
        return []
    held = f"of the {_count(models['held_out'], 'furniture model')} in held-out rooms"
    if not models["shared"]:
        return [f"None {held} was drawn in a room trained on."]
    share = 100 * models["shared_items"] / models["items"]
    names = _list([name.rpartition("/")[2] for name in models["shared"]])
    return [
        f"{len(models['shared'])} {held} were drawn in rooms trained on too, {share:.0f} % of all items there: {names}."
    ]


def _withheld(report: dict, present: dict) -> list[str]:
    names = report["data"]["withheld"]
    if not names:
        return []
    shown = [name for name in names if name in present]
    score = report["zero_shot_withheld"]["lifted"]["f_miou"]
    where = f"in the held-out rooms: {_list(shown)}" if shown else "none of them occurs in the held-out rooms"
    text = f"Names withheld from the language teacher's training: {_list(names)}; {where}."
    if score is not None and score < 5:
        text += (
            " The teacher itself hardly knows them, so the student cannot: open vocabulary beyond the "
            "trained names is not shown here."
        )
    return [text]


def _uncertain(report: dict) -> list[str]:
    claims = {
        "that Gaussians beat points": report["zero_shot"].get("student_minus_points_interval"),
        "that adaptation helps": report["adaptation"].get("gain", {}).get("f_miou_interval"),
    }
    doubtful = [claim for claim, interval in claims.items() if interval and _holds_zero(interval)]
    return [f"Not settled by these rooms (the interval holds zero): {_list(doubtful)}."] if doubtful else []


def _holds_zero(interval: list[float | None]) -> bool:
    low, high = interval
    return low is not None and high is not None and low <= 0 <= high


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _list(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
