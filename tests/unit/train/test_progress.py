"""How far a training is, told between processes."""

import io
import time

from rich.console import Console
from rich.progress import Progress as Bars

from chorus.train import progress
from chorus.train.live import Figures, Follower
from chorus.train.progress import Progress, progress_of, shown


def figures(folder, **changes):
    return Figures(folder, **({"run": "a", "first": 30, "steps": 100, "rows": []} | changes))


def test_a_training_is_known_from_its_first_line_to_its_end(tmp_path):
    follower = Follower(tmp_path)
    assert progress_of(follower, None) is None
    live = figures(tmp_path)
    found = progress_of(follower, None)
    assert found == Progress(step=30, steps=100, losses={}, seconds=0.0, first=30) and "just begun" in str(found)
    live.write({"step": 40, "lr": 0.1, "loss": 0.5})
    found = progress_of(follower, found)
    assert (found.step, found.steps, found.losses, found.first) == (40, 100, {"loss": 0.5}, 30)
    assert progress_of(follower, found) == found
    live.close(over=True)
    assert progress_of(follower, found) == found


def test_the_time_left_counts_only_what_this_process_did():
    resumed = Progress(step=60, steps=100, losses={}, seconds=20.0, first=40)
    assert resumed.left == 40.0 and str(resumed) == "step 60 of 100, 40 s left"
    assert Progress(step=5, steps=9, losses={}, seconds=0.0, first=5).left == float("inf")


def test_trainings_of_other_processes_are_shown_line_by_line_without_a_terminal(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "EVERY", 0.01)
    monkeypatch.setattr(progress, "LINE_EVERY", 0.02)
    out = io.StringIO()
    figures(tmp_path / "old").close(over=False)  # the last word of one that was killed
    time.sleep(0.02)
    with Bars(console=Console(file=out, force_terminal=False), disable=True) as bars:
        with shown(bars, {"splats": tmp_path, "points": tmp_path / "old"}):
            figures(tmp_path).write({"step": 33, "lr": 0.1, "loss": 1.5})
            deadline = time.monotonic() + 10
            while "loss" not in out.getvalue() and time.monotonic() < deadline:
                time.sleep(0.01)
    assert "splats: step 33 of 100, loss 1.500" in out.getvalue() and "points" not in out.getvalue()
