"""A tiny distillation, as a job: ``python -m tests.unit.train.ranked OUT STATE ACCUMULATE RANKS [DIE]``.

Of its three rooms one has no valid dino target, so that in many steps a rank's dino head is silent; object joins late.
DIE: ``rank:step``, at which that rank kills itself with SIGKILL.
"""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch

from chorus.distill import train as distill
from chorus.distill.batches import TrainingScene
from chorus.encoder.inputs import InputConfig
from chorus.encoder.model import EncoderConfig
from chorus.params import load_params
from chorus.scene import GaussianScene
from chorus.train.launch import as_job
from chorus.train.world import started

WIDTHS = {"lang": 12, "dino": 8, "object": 6}
STEPS = 20


def rooms() -> list[TrainingScene]:
    found = []
    for number in range(3):
        draw = torch.Generator().manual_seed(number)
        count = 300 + 50 * number
        scene = GaussianScene(
            means=torch.rand(count, 3, generator=draw) * torch.tensor([3.0, 4.0, 2.5]),
            quats=torch.randn(count, 4, generator=draw),
            log_scales=torch.randn(count, 3, generator=draw) * 0.3 - 3.5,
            opacity_logits=torch.randn(count, generator=draw),
            sh=torch.randn(count, 1, 3, generator=draw) * 0.3,
        )
        targets = {role: torch.randn(count, width, generator=draw) for role, width in WIDTHS.items()}
        valid = {role: torch.ones(count, dtype=torch.bool) for role in WIDTHS}
        if number == 1:
            valid["dino"] = torch.arange(count) == 0  # one row, which a step hardly ever draws
        found.append(TrainingScene(name=f"room{number}", scene=scene, targets=targets, valid=valid))
    return found


def main() -> None:
    out, state, accumulate, ranks, *die = sys.argv[1:]
    rank, step = map(int, die[0].split(":")) if die else (-1, -1)
    inputs = InputConfig(grid_size=0.2)
    size = EncoderConfig(channels=(16, 16), depths=(0, 1), heads=(1, 1), window=32, drop_path=0.2)
    root = Path(__file__).parents[3]
    params = replace(
        load_params(root / "params.yaml").distill,
        steps=STEPS,
        points=24,
        head_width=8,
        log_every=4,
        checkpoint_every=6,
        accumulate=int(accumulate),
        ranks=int(ranks),
    )
    losses = distill.Distillation.losses

    def dying(self, at, sample):
        if (started().rank, at) == (rank, step):
            os.kill(os.getpid(), signal.SIGKILL)
        return losses(self, at, sample)

    if die:
        distill.Distillation.losses = dying
    distill.train_encoder(rooms(), encoder_config=size, inputs=inputs, params=params, out=Path(out), state=Path(state))


if __name__ == "__main__":
    as_job(main)
