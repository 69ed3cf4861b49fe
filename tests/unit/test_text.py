import pytest

from chorus.errors import InputError
from chorus.text import prompt


@pytest.mark.parametrize("words", ["chair", "a chair", "  a   chair ", "this is a chair"])
def test_words_become_the_training_prompt(words):
    assert prompt(words) == "this is a chair"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("washing machine", "this is a washing machine"),
        ("armchair", "this is a armchair"),  # as the teachers were trained, vowel or not
        ("An armchair", "this is An armchair"),
        ("the tv", "this is the tv"),
        ("theatre", "this is a theatre"),
    ],
)
def test_only_a_whole_article_counts(words, says):
    assert prompt(words) == says


def test_an_empty_query_is_refused():
    with pytest.raises(InputError, match="words to look for"):
        prompt("  ")
