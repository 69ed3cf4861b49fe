"""Look at a room: a page that anyone can open without a server, and the viewer that answers any words."""

import sys
from pathlib import Path

import chorus
from chorus.view.ask import save_views
from chorus.view.named import NamedScene
from chorus.view.page import write_page
from chorus.view.session import Session
from chorus.view.viewer import Viewer

out = Path("out")
out.mkdir(exist_ok=True)
scene = chorus.read("sample")  # or a file of yours: scene.ply, scene.spz, ...
room = Session(NamedScene("sample", scene, None), chorus.load())

# What each Gaussian is called, from above and from inside
save_views(out / "names.png", scene, room.colors("names"))

# One file to mail: turn it, click it, ask it, with no network
page = write_page(out / "sample.html", room, words=["somewhere to read"])
print(f"{page}: {page.stat().st_size / 1e6:.1f} MB")

# The same with any words, on loopback: what `chorus view sample` does
viewer = Viewer([room], folder=out)
print(f"{viewer.address} shows {scene}")
if sys.stdin is not None and sys.stdin.isatty():
    input("Enter ends it. ")
viewer.close()
