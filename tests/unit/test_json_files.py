import pytest

from chorus.errors import InputError, MissingError
from chorus.json_files import read_json, write_json


def test_round_trip_and_equal_bytes(tmp_path):
    write_json(tmp_path / "a.json", {"b": [1, 2.5], "a": {"ä": None}})
    write_json(tmp_path / "b.json", {"a": {"ä": None}, "b": [1, 2.5]})
    assert read_json(tmp_path / "a.json") == {"b": [1, 2.5], "a": {"ä": None}}
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_what_is_absent_or_damaged_is_named_with_the_way_out(tmp_path):
    with pytest.raises(MissingError, match=r"x\.json: expected poses, got nothing there\. Copy it"):
        read_json(tmp_path / "x.json", expected="poses", fix="Copy it.")
    for content in (b"{", b"\xff\xfe"):
        (tmp_path / "x.json").write_bytes(content)
        with pytest.raises(InputError, match=r"x\.json: expected a JSON file, got .*\. Copy it"):
            read_json(tmp_path / "x.json", fix="Copy it.")
    with pytest.raises(InputError, match=tmp_path.name):
        read_json(tmp_path)
