import pickle

from chorus.errors import ChorusError, InputError


def test_message_is_one_line_with_all_four_parts():
    error = InputError("scene.ply", expected="finite means", got="NaN\nin 3 of 9", fix="Fit it again.")
    assert str(error) == "scene.ply: expected finite means, got NaN in 3 of 9. Fit it again."


def test_survives_the_way_between_worker_processes():
    error = InputError("a", expected="b", got="c", fix="d")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(again) is InputError and isinstance(again, ChorusError) and str(again) == str(error)
