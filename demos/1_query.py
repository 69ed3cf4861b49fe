"""Ask a room in words: which objects answer, where they are, how large, and a heat map of each answer."""

from pathlib import Path

import chorus
from chorus.view.ask import Search, save, table

scene = chorus.read("sample")
search = Search.of(scene, chorus.load())

# A name, everyday words, a relation, a negation, and something the room does not have
for words in ("a bed", "where i sleep", "a laptop on the table", "a chair, not an armchair", "a zeppelin"):
    answer = search.ask(words, top=2)
    print(table(answer, unit=scene.frame.label), "\n")

# The scene colored by how well each Gaussian answers: a .ply to open anywhere, and a picture
for path in save(search.ask("where i sleep"), Path("out"), name="sample"):
    print(path)

# The same without the search: one vector a Gaussian, cosines with words
features = chorus.load().encode(scene)
print(features)
scores = features.query(["a bed", "a bookshelf"])  # [N, 2]
for words, best in zip(("a bed", "a bookshelf"), scores.argmax(dim=0), strict=True):
    print(f"{words}: most of all at", [round(x, 2) for x in scene.means[best].tolist()])
