"""Chorus: several 2D foundation models coach one feed-forward encoder of 3D Gaussian-splat scenes.

encoder = chorus.load("data/models/encoder")
scene = chorus.read("scene.ply")
out = encoder.encode(scene, outputs=("lang",))
scores = out.query(["a chair", "a lamp"])  # [N, 2]
"""

from __future__ import annotations


def load(path, *, variant: str = "splats", device: str = "cpu"):
    """A SceneEncoder from a model's folder or hub id, with the text tower of its language teacher.

    variant: splats or points, where the folder holds both. Raises ChorusError when there is no such model or it is damaged.
    """
    from chorus.encoder.checkpoint import SceneModel
    from chorus.encoder.encode import SceneEncoder, model_folder

    folder = model_folder(path, variant=variant)
    model = SceneModel.from_pretrained(str(folder if folder.is_dir() else path)).to(device)
    return SceneEncoder(model, text=_text_encoder(model.config.text) if "lang" in model.heads else None)


def read(path):
    """A GaussianScene from .ply, .splat, a folder of .npy arrays or a fitted scene's folder."""
    from chorus.io import read_scene

    return read_scene(path)


def _text_encoder(source: str):
    """prompts -> [T, C], the tower read when first asked. source: as the model's config names it."""
    tower = None

    def embed(prompts: list[str]):
        nonlocal tower
        if tower is None:
            tower = _tower(source)
        return tower(list(prompts))

    return embed


def _tower(source: str):
    from chorus.errors import MissingError

    if source == "embedded":
        from chorus.teachers.embedded.text import TextTower

        return TextTower()
    raise MissingError("text", expected="a text tower this version can load: embedded", got=repr(source), fix="Give SceneEncoder your own text=.")
