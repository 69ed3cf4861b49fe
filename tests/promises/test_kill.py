"""SIGKILL at random moments of a small chain, to any of its processes or to all: it goes on to the same bytes.

CHORUS_KILLS: how many (7); CHORUS_EXAMPLES=random draws other moments; CHORUS_KILLS_LOG: a file that gets a JSON line
a round. The chain is struck again and again while it goes on, and started again whenever it has ended, six to thirty
times until it may finish: most of the time of a kill is the work it undoes and the start after it, so that many kills
of one chain cost less than as many chains. Ranks of torchrun live for seconds and are seldom met by chance: a tenth as
many kills again, two at least, are aimed at them.
"""

import json
import os
import random
import sys

import pytest

from tests.promises.chain import Chain

KILLS = int(os.environ.get("CHORUS_KILLS", "7"))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_killed_at_random_moments_the_chain_ends_in_the_same_bytes(tmp_path, record_property):
    seed = random.SystemRandom().randrange(2**32) if os.environ.get("CHORUS_EXAMPLES") == "random" else 0
    draw, chain = random.Random(seed), Chain(tmp_path)
    seconds = chain.finish()
    expected, told = chain.hashes(), []
    assert len(expected) > 20 and not chain.left_over() and not chain.unfinished()
    while len(told) < KILLS:
        chain.forget()
        told += (round_ := chain.disturb(draw, min(draw.randint(6, 30), KILLS - len(told)), seconds))
        chain.finish()
        again = chain.hashes()
        assert again == expected, f"seed {seed}, after {told}: {_differ(again, expected)}"
        assert not chain.left_over() and not chain.unfinished(), f"seed {seed}, after {told}"
        _note({"seed": seed, "seconds": round(seconds), "kills": round_})
    told += (ranks := chain.disturb_ranks(draw, max(2, KILLS // 10)))
    chain.finish()
    assert chain.hashes() == expected and not chain.left_over() and not chain.unfinished(), f"seed {seed}, ranks"
    _note({"seed": seed, "kills": ranks})
    record_property("kills", told)
    print(json.dumps({"kills": told, "seconds": seconds}))


def _note(round_: dict) -> None:
    if os.environ.get("CHORUS_KILLS_LOG"):
        with open(os.environ["CHORUS_KILLS_LOG"], "a") as log:
            log.write(json.dumps(round_) + "\n")


def _differ(a: dict[str, str], b: dict[str, str]) -> list[str]:
    return sorted(name for name in {*a, *b} if a.get(name) != b.get(name))
