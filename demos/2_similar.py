"""Point at one thing and find what is like it: no word is needed, the features themselves are compared."""

from pathlib import Path

import chorus
from chorus.view.ask import save_views
from chorus.view.named import NamedScene
from chorus.view.query import heat
from chorus.view.session import Session

scene = chorus.read("sample")
room = Session(NamedScene("sample", scene, None), chorus.load())

# What lies at a place (metres), as a click in the viewer tells it
clicked = room.at([-0.8, 0.5, 0.4])
names = ", ".join(f"{name} {share:.0%}" for name, share in clicked.names[:3])
print(f"clicked: {names}; an object of {len(clicked.rows):,} Gaussians")

# Where the room is like it: cosine of features
answer = room.similar(clicked.hit.row)
for found in answer.objects:
    place = " ".join(f"{x:.2f}" for x in found.position)
    print(f"like it by {found.score:.2f}: {len(found.rows):,} Gaussians around {place}")
save_views(Path("out") / "similar.png", scene, heat(scene, answer.score))

# The object alone, with the name of every Gaussian, for other programs
count = room.export(Path("out") / "clicked.ply", clicked.rows)
print(f"out/clicked.ply: {count:,} Gaussians")
