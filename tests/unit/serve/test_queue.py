"""More requests than there is room for: each is answered or told when to come back."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from chorus.serve.queue import Work
from chorus.serve.refusals import Busy, Gone
from tests.unit.serve.conftest import UPRIGHT, Served, line_of


class Slow(Served):
    """Waits to be let go on, and counts how many are at work at once."""

    def __init__(self):
        self.go, self.begun = threading.Event(), threading.Event()
        self.now = self.most = 0

    def encode(self, scene, outputs=("lang",)):
        self.now += 1
        self.most = max(self.most, self.now)
        self.begun.set()
        self.go.wait(30)
        self.now -= 1
        return super().encode(scene, outputs)


def test_sixteen_at_once_on_a_queue_of_four(make_client):
    slow = Slow()
    client = make_client(waiting=4, encoder=slow)

    def ask(number: int):
        return client.post("/scenes", json={"path": "room.ply", "up": "z", "scale": 1 + number / 16})

    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(ask, number) for number in range(16)]
        end = time.time() + 20
        while sum(one.done() for one in asked) < 11 and time.time() < end:  # those who are refused need not wait
            time.sleep(0.02)
        assert client.get("/health").status_code == 200  # which waits for nobody
        slow.go.set()
        answers = [one.result() for one in asked]
    refused = [one for one in answers if one.status_code == 503]
    assert [one.status_code for one in answers].count(201) == 5 and len(refused) == 11 and slow.most == 1
    for one in refused:
        assert "free place" in line_of(one) and 1 <= int(one.headers["retry-after"]) <= 120
    assert ask(20).status_code == 201


def test_a_client_that_leaves_gives_its_place_back():
    async def both():
        work, go, ran = Work(1), threading.Event(), []

        async def here():
            return False

        async def gone():
            return True

        async def do(piece, left):
            with work.place():
                return await work.do(piece, left=left)

        first = asyncio.create_task(do(lambda: go.wait(30), here))
        await asyncio.sleep(0.05)
        with pytest.raises(Gone):
            await do(lambda: ran.append(1), gone)
        assert work.held == 1 and not ran
        go.set()
        assert await first and work.held == 0
        work.close()

    asyncio.run(both())


def test_what_was_begun_is_finished_though_nobody_waits():
    async def leaves():
        work, done = Work(0), []

        async def gone():
            return True

        with work.place():
            await work.do(lambda: (time.sleep(0.8), done.append(1)), left=gone)
        assert done == [1]
        work.close()

    asyncio.run(leaves())


def test_an_error_gives_the_place_back():
    work = Work(0)

    def fails():
        raise ValueError("no")

    for _ in range(3):
        with pytest.raises(ValueError):
            work.call(fails)
    assert work.held == 0 and work.call(lambda: 3) == 3
    with work.place(), pytest.raises(Busy) as busy:
        work.call(lambda: 3)
    assert busy.value.seconds >= 1
    work.close()


def test_seconds_to_wait_follow_what_pieces_take():
    work = Work(0)
    for _ in range(40):
        work.call(lambda: None)
    work._seconds = 7.5
    with work.place(), pytest.raises(Busy, match="Try again in 8 s"):
        work.call(lambda: None)
    work.close()


def test_an_upload_holds_its_place_while_it_comes(make_client, folder):
    """No more uploads lie on the disk than there are places."""
    slow = Slow()
    client = make_client(waiting=0, encoder=slow)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, "/scenes", json={"path": "room.ply", **UPRIGHT})
        assert slow.begun.wait(20)
        content, headers = (folder / "room.ply").read_bytes(), {"Content-Type": "application/octet-stream"}
        refused = client.post("/scenes/upload", params={"name": "b.ply"}, content=content, headers=headers)
        slow.go.set()
        assert refused.status_code == 503 and first.result().status_code == 201
