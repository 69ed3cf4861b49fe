import threading

import pytest

from chorus.train.ahead import Ahead


def test_the_next_numbers_of_a_rank_are_begun_and_each_is_made_once():
    made = []
    ahead = Ahead(lambda n: made.append(n) or n * 10, stride=2, depth=2, end=9)
    try:
        assert [ahead[n] for n in (1, 3, 5, 7)] == [10, 30, 50, 70]
    finally:
        ahead.close()
    assert sorted(made) == [1, 3, 5, 7]  # 9 and 11 lie beyond the end


def test_the_next_is_made_while_this_one_is_used():
    begun = threading.Event()
    ahead = Ahead(lambda n: begun.set() if n == 1 else n)
    try:
        ahead[0]
        assert begun.wait(10)
    finally:
        ahead.close()


def test_errors_come_where_their_number_is_asked_for_and_jumps_are_allowed():
    def make(number):
        if number == 2:
            raise ValueError("two")
        return number

    ahead = Ahead(make, depth=2)
    try:
        assert ahead[0] == 0 and ahead[1] == 1
        with pytest.raises(ValueError, match="two"):
            ahead[2]
        assert ahead[100] == 100 and ahead[3] == 3
    finally:
        ahead.close()


def test_without_depth_nothing_is_begun():
    made = []
    ahead = Ahead(lambda n: made.append(n) or n, depth=0)
    assert ahead[4] == 4 and made == [4]
    ahead.close()
