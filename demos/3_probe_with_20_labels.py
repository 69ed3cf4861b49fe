"""A task of your own from 20 clicks: what in a room is to rest on, to open, or to keep things on?"""

import csv
from pathlib import Path

import numpy as np
import torch

import chorus
from chorus.probe import LinearProbe, few_points
from chorus.view.ask import save_views
from chorus.view.colors import label_colors

scene = chorus.read("sample")
features = chorus.load().encode(scene, outputs=("upcast",)).upcast.numpy()

# 120 places of the room with what each is for; 20 teach, 100 judge
clicks = list(csv.DictReader(open("demos/clicks.csv")))
uses = sorted({click["use"] for click in clicks})
places = torch.tensor([[float(click[axis]) for axis in "xyz"] for click in clicks])
rows = torch.cdist(places, scene.means).argmin(dim=1).numpy()
truth = np.array([uses.index(click["use"]) for click in clicks])
known = few_points(truth, 20, seed=0)
unseen = known < 0

# One linear layer on frozen features, beside the same layer on color alone
for name, rows_of in (("features", features), ("color alone", scene.rgb.numpy())):
    probe = LinearProbe(len(uses)).fit(rows_of[rows], known)
    right = (probe.predict(rows_of[rows])[unseen] == truth[unseen]).mean()
    print(f"{name}: {(~unseen).sum()} labels, {right:.0%} of {unseen.sum()} other places right")

# The whole room, as the probe on features sees it
guess = LinearProbe(len(uses)).fit(features[rows], known).predict(features)
print({use: int((guess == number).sum()) for number, use in enumerate(uses)})
save_views(Path("out") / "uses.png", scene, label_colors(guess, uses))
