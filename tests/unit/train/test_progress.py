"""How far a training is, told between processes."""

import io
import time

from rich.console import Console
from rich.progress import Progress as Bars

from chorus.train import progress
from chorus.train.progress import Reporter, read_progress, shown


def test_what_is_reported_is_read_until_it_closes(tmp_path):
    assert read_progress(tmp_path) is None
    reporter = Reporter(tmp_path)
    reporter(31, 100, {"loss": 0.5})
    found = read_progress(tmp_path)
    assert (found.step, found.steps, found.losses["loss"], found.first) == (31, 100, 0.5, 30)
    reporter(100, 100, {"loss": 0.25})  # the last step is always written
    assert read_progress(tmp_path).losses["loss"] == 0.25
    assert read_progress(tmp_path, since=time.time() + 5) is None  # the last word of one that was killed
    reporter.close()
    assert read_progress(tmp_path) is None


def test_the_time_left_counts_only_what_this_process_did():
    resumed = progress.Progress(step=60, steps=100, losses={}, seconds=20.0, first=40)
    assert resumed.left == 40.0 and str(resumed) == "step 60 of 100, 40 s left"
    assert progress.Progress(step=5, steps=9, losses={}, seconds=0.0, first=5).left == float("inf")


def test_a_damaged_file_is_no_progress(tmp_path):
    (tmp_path / progress.FILE).write_text("{")
    assert read_progress(tmp_path) is None


def test_trainings_of_other_processes_are_shown_line_by_line_without_a_terminal(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "EVERY", 0.01)
    monkeypatch.setattr(progress, "LINE_EVERY", 0.02)
    out = io.StringIO()
    with Bars(console=Console(file=out, force_terminal=False), disable=True) as bars:
        with shown(bars, {"splats": tmp_path}):
            Reporter(tmp_path)(3, 9, {"loss": 1.5})
            deadline = time.monotonic() + 10
            while "splats" not in out.getvalue() and time.monotonic() < deadline:
                time.sleep(0.01)
    assert "splats: step 3 of 9, loss 1.500" in out.getvalue()
