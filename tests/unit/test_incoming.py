import pytest

from chorus.errors import InputError
from chorus.incoming import IngestOptions, list_incoming, options_of, read_options, scene_id, write_options


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
