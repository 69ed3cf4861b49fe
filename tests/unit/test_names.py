import pytest

from chorus.errors import InputError, ParamsError
from chorus.names import did_you_mean, one_of


def test_a_known_name_is_itself():
    assert one_of("lamp", ["chair", "lamp"], "thing") == "lamp"


@pytest.mark.parametrize(
    ("name", "known", "says"),
    [
        ("lmap", ["chair", "lamp"], r"thing: expected one of chair, lamp, got 'lmap'\. Did you mean 'lamp'\?$"),
        ("zebra", ["chair", "lamp"], r"got 'zebra'$"),
        ("room3x", [f"room{i}" for i in range(40)], r"expected one of the 40 there are, .*Did you mean 'room3'\?$"),
        ("x", [], r"expected one of the 0|got 'x'$"),
    ],
)
def test_an_unknown_one_is_refused_with_the_nearest(name, known, says):
    with pytest.raises(InputError, match=says):
        one_of(name, known, "thing")


def test_the_kind_of_error_is_the_caller_s():
    with pytest.raises(ParamsError):
        one_of("x", ["y"], "params", error=ParamsError)


def test_nothing_near_says_nothing():
    assert did_you_mean("zebra", ["chair"]) == "" and did_you_mean("chiar", ["chair"]) == "Did you mean 'chair'?"
