"""Parameters of a distillation that is over in a second."""

from chorus.params import BlindParams, DistillParams

PARAMS = DistillParams(
    steps=12,
    lr=2e-3,
    weight_decay=0.05,
    warmup=0.1,
    clip=1.0,
    crop=0,
    points=256,
    blind=BlindParams(color=0.0, opacity=0.0, normal=0.0),
    head_width=32,
    log_every=2,
    checkpoint_every=3,
    ranks=1,
    accumulate=1,
    checkpointing="never",
)
