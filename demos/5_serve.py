"""Serve the model over HTTP and ask it from a program, as any client of `chorus serve` does."""

import json
import subprocess
import sys
from urllib.request import Request, urlopen

# The server listens on loopback, prints its address when it answers, and ends with this program
server = subprocess.Popen([sys.executable, "-m", "chorus", "serve"], stdout=subprocess.PIPE, text=True)
address = server.stdout.readline().partition("/docs")[0]
print(f"{address}/docs lists the routes")


def ask(path: str, body: dict | None = None) -> dict:
    data = None if body is None else json.dumps(body).encode()
    return json.load(urlopen(Request(address + path, data, {"Content-Type": "application/json"}), timeout=120))


# A scene in, an id out: a path below the folder of --scenes, an upload, or the room that ships
room = ask("/scenes", {"path": "sample"})
print(f"{room['name']}: {room['gaussians']:,} Gaussians, id {room['id']}")

# Words in, objects out, with their distance from where one stands
asked = {"words": ["where i sleep", "a window"], "viewpoint": [0, 0, 1.6], "top": 2}
for answer in ask(f"/scenes/{room['id']}/query", asked)["answers"]:
    for found in answer["objects"]:
        print(f"{answer['words']}: {found['label']}, score {found['score']:.2f}, {found['distance']:.1f} m away")

# What the room holds, in sentences; how far two things are apart
print(*ask(f"/scenes/{room['id']}/describe")["sentences"][:3], sep="\n")
apart = ask(f"/scenes/{room['id']}/measure", {"start": "a bed", "end": "a window"})
print(f"from the bed to the window: {apart['distance']:.2f} {apart['unit']}, with {apart['gap']:.2f} between them")
server.terminate()
server.wait(20)
