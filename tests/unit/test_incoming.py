import pytest

from chorus.errors import InputError, StoreError
from chorus.incoming import (
    NOTHING_SAID,
    IngestOptions,
    brought_in,
    list_incoming,
    options_of,
    read_options,
    scene_id,
    write_options,
)
from chorus.store import Store


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Living Room (2)", "living-room-2"),
        ("Küche & Straße", "kuche-strasse"),
        ("50%20", "50-20"),
        ("C# notes?", "c-notes"),
        ("../etc", "etc"),
        ("キッチン", ""),
        ("a_b-C", "a_b-c"),
    ],
)
def test_any_name_becomes_a_scene_id_or_none(name, found):
    assert scene_id(name) == found


def test_proper_names_come_first_and_the_rest_is_told(tmp_path):
    for name in ("Kitchen", "kitchen", "KITCHEN!", "!!"):
        (tmp_path / name).mkdir()
    (tmp_path / "Walk 1.MP4").write_bytes(b"")
    (tmp_path / ".DS_Store").write_bytes(b"")
    (tmp_path / "kitchen.yaml").write_text("up: y\n")
    found, left = list_incoming(tmp_path)
    assert found["kitchen"].path.name == "kitchen" and found["kitchen"].options.up == "y"
    assert found["walk-1"].path.name == "Walk 1.MP4" and set(found) == {"kitchen", "walk-1"}
    assert len(left) == 3 and sum("'kitchen' is taken" in line for line in left) == 2


def test_options_round_trip_and_are_checked(tmp_path):
    file = tmp_path / "a.yaml"
    write_options(file, options_of(up="-y", unit="mm"))
    assert read_options(file) == IngestOptions(up="-y", scale=0.001)
    write_options(file, IngestOptions())
    assert not file.exists() and read_options(file) == IngestOptions()
    for content in ("upp: y", "up: w", "scale: -1", "scale: x", "- 1", ": :"):
        file.write_text(content)
        with pytest.raises(InputError, match="a.yaml"):
            read_options(file)
    with pytest.raises(InputError, match="either --scale or --unit"):
        options_of(scale=1.0, unit="m")


@pytest.mark.parametrize("first", ["photos", "walk.mp4", "walk.mov", "room.ply"])
@pytest.mark.parametrize("second", ["photos", "walk.mp4", "walk.mov", "room.ply"])
def test_a_name_belongs_to_one_source(tmp_path, first, second):
    """Not to a folder and a video, nor to two videos of other suffixes: one of them would never be read."""
    store = Store(tmp_path)
    for name in ("walk.mp4", "walk.mov", "room.ply"):
        (tmp_path / name).touch()
    (tmp_path / "photos").mkdir()
    with brought_in(store, tmp_path / first, "kitchen", NOTHING_SAID, splats=first.endswith(".ply")):
        pass
    before = sorted(store.incoming.rglob("*"))
    again = brought_in(store, tmp_path / second, "kitchen", NOTHING_SAID, splats=second.endswith(".ply"))
    if first == second:
        with again:
            pass
    else:
        with pytest.raises(StoreError, match="a free name"), again:
            pass
    assert sorted(store.incoming.rglob("*")) == before


def test_a_refusal_is_told_where_its_folder_holds_something_else(tmp_path):
    store = Store(tmp_path)
    (tmp_path / "room.ply").touch()
    with (
        pytest.raises(InputError, match="splats"),
        brought_in(store, tmp_path / "room.ply", "room", NOTHING_SAID, splats=True),
    ):
        (store.incoming / "room" / "notes.txt").touch()
        raise InputError("room.ply", expected="splats", got="nothing")
    assert [path.name for path in store.incoming.rglob("*")] == ["room", "notes.txt"]
