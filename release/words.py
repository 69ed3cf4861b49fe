"""chorus/view/words.npy once more: what questions are told apart from, embedded before. Where the vocabulary or
sentences.yaml changed: python release/words.py"""

import numpy as np
import torch

import chorus
from chorus.scene import scene_from_colors
from chorus.store import atomic_file
from chorus.teachers.embedded.text import DIM
from chorus.view.ask import Search
from chorus.view.vocabulary import EMBEDDED, vocabulary_of


def words() -> np.ndarray:
    """[2 H + E, C] float32, in the order of Vocabulary.embedded."""
    means = torch.zeros(1, 3)
    scene = scene_from_colors(means, torch.tensor([[1.0, 0, 0, 0]]), means + 0.1, torch.full((1,), 0.9), means)
    anew = vocabulary_of("embedded")._replace(embedded=None)
    contrast = Search(scene, torch.eye(1, DIM), text=chorus.load().text, vocabulary=anew).contrast
    return np.concatenate([contrast.held, contrast.called, contrast.elsewhere])


if __name__ == "__main__":
    found = words()
    with atomic_file(EMBEDDED) as path:
        np.save(path, found)
