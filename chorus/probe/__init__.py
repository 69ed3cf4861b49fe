"""What frozen features, or a pretrained encoder, are worth to a task with few labels.

    LinearProbe().fit(features, labels).predict(features)
    DecoderProbe(model).fit(scenes, labels).score(scenes, labels)
    FineTune(model).fit(scenes, labels); FineTune(untrained(model)) learns from scratch

Labels are class ids, -1 where unknown; ``few_rooms`` and ``few_points`` choose some of them by seed.
"""

from chorus.probe.labels import POINTS, SHARES, few_points, few_rooms, sample_rows
from chorus.probe.linear import LinearProbe
from chorus.probe.scenes import DecoderProbe, FineTune, untrained

__all__ = [
    "POINTS",
    "SHARES",
    "DecoderProbe",
    "FineTune",
    "LinearProbe",
    "few_points",
    "few_rooms",
    "sample_rows",
    "untrained",
]
