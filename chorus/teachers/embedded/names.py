"""What the trunk would call each part of an image, said in MiniLM's words.

The trunk was raised to name 1,000 things. Its last layers, run at every position, give a probability to each name; the mean of the names'
sentence embeddings by probability is a point in word space (Norouzi et al. 2014, "Zero-Shot Learning by Convex Combination of Semantic
Embeddings"). It is rough, yet it knows things no training room holds.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from chorus.teachers.embedded.text import DIM, TextTower, prompt
from chorus.teachers.torchvision_shim import make_torchvision_importable

NAMED_DIM = DIM


def name_words(tower: TextTower) -> Tensor:
    """[1000, 384] half: the prompt of every ImageNet name with its synonyms, in the order of the trunk's classifier, less their mean."""
    make_torchvision_importable()
    from timm.data import ImageNetInfo

    names = ImageNetInfo()
    words = tower([prompt(names.index_to_description(i)) for i in range(names.num_classes())])
    return (words - words.mean(dim=0)).half()


def word_map(head: torch.nn.Module, classifier: torch.nn.Linear, coarsest: Tensor, words: Tensor) -> Tensor:
    """coarsest [B, 320, h, w] of the trunk, words [1000, 384] -> [B, 384, h, w].

    head: the trunk's last convolution; classifier: its linear layer, used to a mean over an image, given a mean over 3x3 here.
    """
    x = F.avg_pool2d(head(coarsest), 3, stride=1, padding=1, count_include_pad=False)
    probabilities = classifier(x.permute(0, 2, 3, 1)).softmax(dim=-1)  # [B, h, w, 1000]
    return (probabilities @ words.float()).permute(0, 3, 1, 2)
