"""Chorus: several 2D foundation models coach one feed-forward encoder of 3D Gaussian-splat scenes.

encoder = chorus.load()  # the model that ships with the package; or a folder, or a hub id
scene = chorus.read("scene.ply")
out = encoder.encode(scene, outputs=("lang",))
scores = out.query(["a chair", "a lamp"])  # [N, 2]
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("chorus-gs")
except PackageNotFoundError:  # a copy of the code without its metadata, as a registered model carries it
    __version__ = "unknown"


def load(path=None, *, variant: str = "splats", device: str = "auto", adapter=None):
    """A SceneEncoder from a model's folder or hub id, or the one that ships with the package when none is named, with
    the text tower of its language teacher, read when words are first asked about.

    A foundation model's tower is looked for where params.yaml of CHORUS_ROOT (or the working directory) says.
    variant: splats or points, where the folder holds both; device: auto (a card where there is one), cpu, cuda or
    cuda:N, and CHORUS_DEVICE stands before it. adapter: folder of a low-rank adapter in PEFT's layout, of one domain,
    folded into the model it was trained over. Raises ChorusError when there is no such model or device, or when the
    model is damaged.
    """
    from chorus.device import device_of
    from chorus.encoder.adapter import apply_adapter
    from chorus.encoder.checkpoint import open_model
    from chorus.encoder.encode import SceneEncoder, model_folder
    from chorus.encoder.shipped import shipped_model

    model = open_model(model_folder(shipped_model() if path is None else path, variant=variant))
    if adapter is not None:
        apply_adapter(model, adapter)
    model = model.to(device_of(device))
    return SceneEncoder(model, text=_text_encoder(model.config.text) if "lang" in model.heads else None)


def read(path, *, up: str | None = None, scale: float | None = None, unit: str | None = None):
    """A GaussianScene from .ply (packed or not), .spz, .sog, .splat, a folder of .npy arrays, a fitted scene's folder,
    or "sample", the room that ships, turned z up and brought to metres; its ``frame`` says how and how sure that is,
    its ``report`` what was left out.

    up: the file's own, x -x y -y z -z, or keep; scale: metres of one unit, or unit: mm cm m ft. Without them what the
    file declares counts, then what the room looks like. A .ply of bare points becomes flat Gaussians along the surface
    (chorus.encoder.points says how).
    """
    from chorus.encoder.read import read as read_upright

    return read_upright(path, up=up, scale=scale, unit=unit)


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
    if source.startswith("foundation:"):
        from chorus.params import load_params
        from chorus.store import root_folder
        from chorus.teachers.foundation.identity import load_words

        root = root_folder()
        return load_words(source, load_params(root / "params.yaml").teachers, root)
    raise MissingError(
        "text", expected="embedded or foundation:NAME@HASH", got=repr(source), fix="Give SceneEncoder your own text=."
    )
