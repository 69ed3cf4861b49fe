import pytest
import torch

from chorus.errors import InputError, MissingError
from chorus.teachers.embedded.text import TextTower, model_folder
from chorus.teachers.torchvision_shim import make_torchvision_importable
from chorus.text import prompt

SENTENCES = [
    prompt("chair"),
    prompt("washing machine"),
    "Where did I leave my naïve 3D-printed cup?",
    "a",
    "sofa " * 300,
]


@pytest.fixture(scope="module")
def tower():
    return TextTower()


def test_equals_the_sentence_transformers_package(tower):
    make_torchvision_importable()
    from sentence_transformers import SentenceTransformer

    expected = torch.from_numpy(SentenceTransformer(str(model_folder()), device="cpu").encode(SENTENCES))
    torch.testing.assert_close(tower(SENTENCES), expected, atol=2e-6, rtol=0)


def test_vectors_are_unit_and_depend_on_nothing_but_the_sentence(tower):
    together = tower(SENTENCES)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(len(SENTENCES)))
    assert torch.equal(TextTower()([SENTENCES[2]])[0], together[2])
    assert tower([]).shape == (0, 384)


def test_words_near_in_meaning_are_near(tower):
    sofa, couch, sink = tower([prompt(name) for name in ("sofa", "couch", "sink")])
    assert sofa @ couch > 0.8 > sofa @ sink


def test_bad_input(tower, tmp_path):
    with pytest.raises(InputError, match="a few words"):
        tower(["  "])
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        with pytest.raises(MissingError, match="MiniLM"):
            TextTower(tmp_path)
        (tmp_path / name).write_bytes(b"{cut")
        with pytest.raises(MissingError, match="MiniLM"):
            TextTower(tmp_path)
        (tmp_path / name).write_bytes((model_folder() / name).read_bytes())
