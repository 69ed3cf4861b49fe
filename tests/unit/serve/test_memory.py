"""A server that is asked a thousand questions and given fifty scenes is as large at the end as at the beginning."""

import gc
from dataclasses import replace

import numpy as np
import pytest
import torch

import chorus
from chorus.encoder.shipped import SAMPLE
from chorus.heap import give_back
from chorus.io import read_scene, write_scene
from chorus.view.vocabulary import known_words
from tests.unit.serve.conftest import UPRIGHT

pytestmark = pytest.mark.slow
MB = 10**6


def resident() -> int:
    gc.collect()
    give_back()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


@pytest.fixture
def client(make_client, folder):
    """With the model that ships, room for two scenes, and fifty files."""
    scene = read_scene(SAMPLE)
    for number in range(50):
        moved = replace(scene, means=scene.means + torch.tensor([0.01 * number, 0, 0]))
        write_scene(folder / f"room-{number:02d}.ply", moved)
    return make_client(encoder=chorus.load(device="cpu"), most_bytes=45 * MB)


def test_a_thousand_questions(client, capsys):
    room = client.post("/scenes", json={"path": "room-00.ply", **UPRIGHT}).json()["id"]
    words, sizes = known_words(), []
    for number in range(1000):
        asked = f"{words[number % len(words)]} number {number}"
        assert client.get(f"/scenes/{room}/query", params={"words": asked}).status_code == 200
        if number % 100 == 99:
            sizes.append(resident())
    with capsys.disabled():
        print(f"\nMB after each 100 questions: {[round(size / MB, 1) for size in sizes]}")
    assert sizes[-1] - sizes[5] < 4 * MB  # the vectors of the words asked are kept, up to a number


def test_fifty_scenes(client, capsys):
    sizes = []
    for number in range(50):
        opened = client.post("/scenes", json={"path": f"room-{number:02d}.ply", **UPRIGHT})
        assert opened.status_code == 201, opened.text
        assert client.get(f"/scenes/{opened.json()['id']}/query", params={"words": "a chair"}).status_code == 200
        if number % 10 == 9:
            sizes.append(resident())
            assert len(client.get("/scenes").json()["scenes"]) == 2
    with capsys.disabled():
        print(f"\nMB after each 10 scenes: {[round(size / MB, 1) for size in sizes]}")
    assert sizes[-1] - sizes[0] < 20 * MB and np.ptp(sizes) < 30 * MB
