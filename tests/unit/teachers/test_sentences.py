"""The packaged sentences: what is trained on, chosen on and judged on keeps apart."""

import re
from pathlib import Path

import pytest
import torch
import yaml

from chorus.params import load_params
from chorus.sources.rooms.catalogue import KINDS
from chorus.sources.sweethome3d.catalog import STAND_INS
from chorus.sources.sweethome3d.classes import CLASS_NAMES
from chorus.teachers.embedded.bank import KINDS as KIND_SHARE
from chorus.teachers.embedded.bank import NAMES, make_bank
from chorus.teachers.embedded.sentences import sentences
from chorus.teachers.embedded.text import TextTower
from chorus.train.schedule import generator_of

ROOT = Path(__file__).parents[3]
WITHHELD = load_params(ROOT / "params.yaml").teachers.withheld


def bare(sentence: str) -> str:
    """Lower case, no article, no punctuation, a blank at both ends: so that "in" finds whole words."""
    return f" {re.sub(r'^(a|an|the) ', '', re.sub('[^a-z0-9 ]', ' ', sentence.lower()).strip())} "


def trained_on() -> list[str]:
    known = sentences()
    return [s for thing in known.things for s in known.of(thing, "train")] + list(known.models.values())


def test_every_supervised_class_is_called_in_many_ways_and_every_class_asked_for():
    known = sentences()
    for name in set(CLASS_NAMES[1:]) - set(WITHHELD):
        assert len(known.of(name, "train")) >= 5, name
    assert set(known.things) - set(CLASS_NAMES) == {"curtain", "picture", "mirror"}
    assert set(known.known("validation")) == set(known.known("test")) > {"chair", "piano"}


def test_nothing_asked_by_the_benchmark_is_trained_on():
    known = sentences()
    asked = [s for thing in known.things for part in ("validation", "test") for s in known.of(thing, part)]
    absent = yaml.safe_load((ROOT / "benchmarks/words.yaml").read_text())["absent"]
    asked += [s for part in ("validation", "test") for s in absent[part]]
    found = [(t, a) for t in trained_on() for a in asked if bare(a) in bare(t)]
    assert found == [] and len(asked) > 150
    assert len({bare(s) for s in asked}) == len(asked)


LITTLE = set(
    "a an the i my me to of in on with for at and or where something somewhere what that is are it one place thing "
    "which how when have has under by from up down".split()
)


def content(sentence: str) -> set[str]:
    """Its words that carry meaning, plurals undone."""
    return {word.rstrip("s") for word in bare(sentence).split()} - LITTLE


def test_nothing_asked_is_trained_on_with_a_word_changed():
    known = sentences()
    for thing in known.things:
        for trained in map(content, known.of(thing, "train")):
            for part in ("validation", "test"):
                for asked in known.of(thing, part):
                    both = content(asked)
                    assert len(trained & both) < 0.5 * len(trained | both), (thing, trained, asked)


def test_withheld_names_are_in_no_training_sentence():
    assert [s for s in trained_on() for name in WITHHELD if bare(name) in bare(s)] == []
    assert not any(sentences().of(name, "train") for name in WITHHELD)


def test_no_sentence_is_about_two_things():
    known = sentences()
    said = [bare(s) for thing in known.things for s in (thing, *known.of(thing, "train"))]
    assert len(set(said)) == len(said)


def test_models_are_those_of_the_catalogues():
    placed = {model for kind in KINDS.values() for model in kind.models}
    placed |= {name.removeprefix("reserve/") for names in STAND_INS.values() for name in names.split()}
    ours = {model for model in sentences().models if not model.startswith("eTeks/")}
    assert ours <= placed and {m for m in sentences().shown_by if not m.startswith("eTeks/")} <= placed


@pytest.fixture(scope="module")
def bank():
    return make_bank(("unlabelled", "bed", "piano", "a thing of nobody"), [(1, "Scopia/iron_bed")], TextTower())


def test_items_are_called_by_name_kind_and_other_sentences_in_their_shares(bank):
    beds = len(sentences().of("bed", "train"))
    assert len(bank) == beds + 4 and bank.words.shape == (beds + 4, 384)
    assert bank.of.tolist() == [0] * (beds + 1) + [1, 2, 0]
    n = 6000
    drawn = torch.tensor(bank.draw([1] * n, ["Scopia/iron_bed"] * n, generator_of(0)))
    counts = torch.bincount(drawn, minlength=beds + 5) / n
    assert counts[bank.names[1]] == pytest.approx(NAMES, abs=0.03)
    assert counts[beds + 4] == pytest.approx((1 - NAMES) * KIND_SHARE, abs=0.03)
    assert counts[2 : beds + 2].min() > 0.3 * counts[2 : beds + 2].max() > 0
    plain = bank.draw([1] * 200 + [2, 3, 0], ["Scopia/bed1"] * 200 + ["", "", ""], generator_of(1))
    assert beds + 4 not in plain and plain[-3:] == [bank.names[2], bank.names[3], 0]
