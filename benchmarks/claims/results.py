"""What the runs that lie there say: comparisons, verdicts, costs. No workspace, no training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.claims.declared import CLAIMS, QUICK, Claim, Comparison, Side, sides_of
from benchmarks.claims.runs import RUNS, kept
from chorus.errors import InputError
from chorus.evaluate.claims import Difference, Verdict, compare, measured, together
from chorus.params import Params

LEAST_SEEDS = 3


@dataclass(frozen=True)
class Found:
    """A comparison, what was found and how many seeds each side has."""

    of: Comparison
    difference: Difference | None
    seeds: tuple[int, int]

    @property
    def verdict(self) -> Verdict:
        """Not settled with fewer than three seeds on a side that has seeds: the interval would hold none of their
        spread."""
        if self.difference is None:
            return "not run"
        return self.difference.verdict(self.of.margin) if self.is_whole else "not settled"

    @property
    def is_whole(self) -> bool:
        """Whether it was run with seeds enough on every side that has seeds."""
        sides = zip((self.of.ours, self.of.other), self.seeds, strict=True)
        return self.difference is not None and all(seeds >= LEAST_SEEDS or not side.seeded for side, seeds in sides)


def verdict_of(rows: Sequence[Found]) -> Verdict:
    """Of the comparisons that count."""
    return together([each.verdict for each in rows if each.of.counts])


class Results:
    """The runs of one length. quick: a third of the steps."""

    def __init__(self, params: Params, *, quick: bool, seeds: Sequence[int], runs: Path = RUNS):
        self.params, self.quick, self.seeds, self.folder = params, quick, seeds, runs
        self.steps = params.distill.steps // (QUICK if quick else 1)

    def of(self, side: Side) -> list[dict[str, Any]]:
        """What there is of a side, a file a seed."""
        runs = dict.fromkeys(side.run(self.params, seed=seed, quick=self.quick) for seed in self.seeds)
        found = [kept(run, self.params, self.folder) for run in runs]
        return [each for each in found if each is not None]

    def compared(self, one: Comparison) -> Found:
        """Raises InputError where the sides were scored on rooms made from something else."""
        ours, other = self.of(one.ours), self.of(one.other)
        seeds = len(ours), len(other)
        if not ours or not other:
            return Found(one, None, seeds)
        rooms = sorted({each["rooms"] for each in (*ours, *other)})
        if len(rooms) > 1:
            got, fix = f"those of {', '.join(rooms)}", "Take the files of one of them away and run make claims."
            raise InputError(f"{one.ours.said}, {one.other.said}", expected="runs on the same rooms", got=got, fix=fix)
        options = {"draws": self.params.evaluate.bootstrap, "seed": self.params.seed}
        one_side = [each["figures"][one.figure] for each in ours]
        other_side = [each["figures"][one.other_figure or one.figure] for each in other]
        found = compare(one_side, other_side, one.measure, ours[0]["names"], **options)
        return Found(one, found, seeds)

    @cached_property
    def claims(self) -> dict[str, list[Found]]:
        """Letter -> its comparisons between trainings of this length."""
        return {claim.letter: [self.compared(one) for one in claim.comparisons] for claim in CLAIMS}

    @cached_property
    def shipped(self) -> dict[str, list[Found]]:
        """Letter -> its comparisons with the model that ships."""
        return {claim.letter: [self.compared(one) for one in claim.shipped] for claim in CLAIMS}

    @cached_property
    def inputs(self) -> set[str]:
        """What the rooms held, to the byte: one for each kind of machine they were made on."""
        sides = (side for claim in CLAIMS for side in sides_of((*claim.comparisons, *claim.shipped)))
        return {found["inputs"] for side in dict.fromkeys(sides) for found in self.of(side)}

    def done(self, claim: Claim) -> int:
        """How many comparisons of a claim were run."""
        return sum(each.difference is not None for each in self.claims[claim.letter])

    def is_whole(self, claim: Claim) -> bool:
        """Whether all comparisons of a claim were run, with seeds enough."""
        return all(each.is_whole for each in self.claims[claim.letter])

    def cost(self, claim: Claim) -> tuple[int, int, int, int, float]:
        """Runs there are, runs there should be, trainings among them, their steps, CPU hours with scoring."""
        sides = [*sides_of(claim.comparisons), *sides_of(claim.shipped), *claim.beside]
        planned = dict.fromkeys(
            side.run(self.params, seed=seed, quick=self.quick) for side in sides for seed in self.seeds
        )
        runs = {run: found for run in planned if (found := kept(run, self.params, self.folder)) is not None}
        trained = dict.fromkeys(training for run in runs for training in run.trainings())
        hours = sum(found["seconds"]["cpu_all"] for found in runs.values()) / 3600
        return len(runs), len(planned), len(trained), sum(run.learnt(self.params) for run in trained), hours


def values(files: Sequence[dict], key: str, measure: str) -> list[float]:
    """Of a measure, in percent, one a seed."""
    found = [(each["figures"][key], each["names"]) for each in files]
    once = (np.ones((1, len(figure["rooms"]))) for figure, _ in found)
    return [float(measured(figure, measure, names, ones)[0]) for (figure, names), ones in zip(found, once, strict=True)]
