"""The file of live figures, written and followed."""

import json

from chorus.train.live import FILE, Figures, Follower

HEAD = {"run": "abc", "first": 0, "steps": 9}


def test_rows_come_as_they_are_written_and_the_file_goes_at_the_end(tmp_path):
    follower = Follower(tmp_path)
    assert follower.new() == [] and follower.head is None
    live = Figures(tmp_path, **HEAD, rows=[])
    live.write({"step": 1, "loss": 0.5})
    (row,) = follower.new()
    assert follower.head == HEAD and row.pop("seconds") >= 0 and row == {"step": 1, "loss": 0.5}
    assert follower.new() == []
    live.write({"step": 2, "loss": 0.25})
    assert [row["step"] for row in follower.new()] == [2]
    live.close(over=True)
    assert not (tmp_path / FILE).exists() and follower.new() == []


def test_a_line_still_being_written_comes_whole(tmp_path):
    follower = Follower(tmp_path)
    line = json.dumps({"step": 1, "loss": 0.5})
    with open(tmp_path / FILE, "w") as stream:
        stream.write(json.dumps(HEAD) + "\n" + line[:7])
        stream.flush()
        assert follower.new() == [] and follower.head == HEAD
        stream.write(line[7:] + "\n")
        stream.flush()
        assert follower.new() == [{"step": 1, "loss": 0.5}]


def test_a_resumed_run_is_read_from_its_start_and_a_dead_one_not_at_all(tmp_path):
    live = Figures(tmp_path, **HEAD, rows=[])
    for step in (1, 2, 3):
        live.write({"step": step})
    live.close(over=False)
    follower = Follower(tmp_path)
    assert [row["step"] for row in follower.new()] == [1, 2, 3]
    later = (tmp_path / FILE).stat().st_mtime + 1
    assert Follower(tmp_path, since=later).new() == []
    Figures(tmp_path, **(HEAD | {"first": 2}), rows=[{"step": 1}, {"step": 2}])
    assert [row["step"] for row in follower.new()] == [1, 2] and follower.head["first"] == 2


def test_a_damaged_file_is_no_news(tmp_path):
    (tmp_path / FILE).write_text("{\n")
    assert Follower(tmp_path).new() == []
