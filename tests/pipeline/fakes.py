"""Recipes that write a few bytes: the machinery is tested without the library's work."""

import json

import numpy as np

from chorus.cameras import Cameras
from chorus.capture import Capture
from chorus.errors import InputError
from chorus.recipes import scenes, teachers
from chorus.recipes.recipe import Recipe, hash_of
from chorus.stages import CAPTURE, EMBEDDED, GAUSSIANS
from orchestration.recipes import catalog

CALLS: list[tuple[str, str | None]] = []


def capture(seed: int) -> Capture:
    """Eight overlapping views of a wall, 2 m away, with noise on it."""
    rng = np.random.default_rng(seed)
    poses = np.tile(np.eye(4), (8, 1, 1))
    poses[:, 0, 3] = np.arange(8) * 0.05
    images = rng.integers(40, 200, (8, 24, 32, 3), dtype=np.uint8)
    semantic = np.ones((8, 24, 32), np.uint8)
    semantic[:, :6] = 2
    names = ("unlabelled", "wall", "floor")
    cameras = Cameras(
        K=np.tile([[30.0, 0, 16], [0, 30.0, 12], [0, 0, 1]], (8, 1, 1)), cam_from_world=poses, width=32, height=24
    )
    return Capture(
        images=images,
        cameras=cameras,
        depth=np.full((8, 24, 32), 2.0, np.float32),
        semantic=semantic,
        class_names=names,
    )


def install(monkeypatch, *, psnr: dict | None = None, broken: dict | None = None) -> None:
    """psnr: scene -> held-out PSNR its fit reports (25 otherwise); broken: scene -> exception its capture raises."""
    psnr, broken = psnr or {}, broken or {}
    CALLS.clear()

    def fake_capture(workspace, scene):
        def make(out):
            CALLS.append((CAPTURE, scene))
            if scene in broken:
                raise broken[scene]
            capture(len(scene)).save(out)

        request = {"scene": scene, "capture": workspace.params.capture}
        return Recipe(store=workspace.store, stage=CAPTURE, scene=scene, make=make, params=request)

    def fake_gaussians(workspace, scene):
        def make(out):
            CALLS.append((GAUSSIANS, scene))
            metrics = {"psnr_blind_heldout": psnr.get(scene, 25.0), "ssim_heldout": 0.9, "gaussians": 500}
            (out / "metrics.json").write_text(json.dumps(metrics))

        request = {"fit": workspace.params.fit, "psnr": psnr.get(scene)}
        inputs = {"capture": hash_of(workspace.store, CAPTURE, scene)}
        return Recipe(store=workspace.store, stage=GAUSSIANS, scene=scene, make=make, params=request, inputs=inputs)

    def fake_embedded(workspace, *, retrain=False):
        def make(out):
            CALLS.append((EMBEDDED, None))
            for name in ("lang.safetensors", "object.safetensors"):
                (out / name).write_bytes(b"heads")
            (out / "provenance.json").write_text("{}")

        return Recipe(store=workspace.store, stage=EMBEDDED, make=make, params={"retrain": retrain})

    for stage, module, fake in (
        (CAPTURE, scenes, fake_capture),
        (GAUSSIANS, scenes, fake_gaussians),
        (EMBEDDED, teachers, fake_embedded),
    ):
        monkeypatch.setattr(module, stage.split("/")[1], fake)
        monkeypatch.setitem(catalog.ASSETS, stage, fake)
    monkeypatch.setattr(catalog, "PHASES", catalog.PHASES[:2])


def no_such_home() -> InputError:
    return InputError("home.xml", expected="a home", got="nothing", fix="Fetch it.")
