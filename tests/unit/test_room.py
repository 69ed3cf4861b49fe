from collections import namedtuple

import pytest

from chorus import room
from chorus.errors import InputError
from chorus.room import available_memory, require_disk, require_memory


def test_disk_is_looked_for_at_the_nearest_folder_that_exists(tmp_path, monkeypatch):
    asked = []
    usage = namedtuple("Usage", "free")
    monkeypatch.setattr(room.shutil, "disk_usage", lambda path: asked.append(path) or usage(2_000_000_000))
    require_disk(tmp_path / "not" / "yet", 1e9, what="it")
    assert asked == [tmp_path]
    with pytest.raises(InputError, match=r"3\.00 GB of free disk for it, got 2\.00 GB"):
        require_disk(tmp_path, 3e9, what="it")


def test_memory_is_what_the_system_says(monkeypatch):
    free = available_memory()
    assert free is not None and free > 1e7
    require_memory(1.0, what="it", fix="Less.")
    with pytest.raises(InputError, match=r"memory: expected 1000000\.00 GB free for it, got .* Less\."):
        require_memory(1e15, what="it", fix="Less.")
    monkeypatch.setattr(room, "available_memory", lambda: None)
    require_memory(1e15, what="it", fix="Less.")  # where nobody knows, nobody is stopped
