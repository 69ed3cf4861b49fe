"""Plans that write a few bytes: the machinery is tested without the library's work."""

import json

import numpy as np

from chorus.cameras import Cameras
from chorus.capture import Capture
from chorus.errors import InputError
from orchestration import stages
from orchestration.plan import Plan, part_hash

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

    def fake_capture(store, params, scene):
        def make(out):
            CALLS.append(("scenes/capture", scene))
            if scene in broken:
                raise broken[scene]
            capture(len(scene)).save(out)

        return Plan(
            path=store.scene(scene, "capture"),
            stage="scenes/capture",
            make=make,
            params={"scene": scene, "capture": params.capture},
        )

    def fake_gaussians(store, params, scene):
        def make(out):
            CALLS.append(("scenes/gaussians", scene))
            metrics = {"psnr_blind_heldout": psnr.get(scene, 25.0), "ssim_heldout": 0.9, "gaussians": 500}
            (out / "metrics.json").write_text(json.dumps(metrics))

        request = {"fit": params.fit, "psnr": psnr.get(scene)}
        inputs = {"capture": part_hash(store, scene, "capture")}
        return Plan(
            path=store.scene(scene, "gaussians"), stage="scenes/gaussians", make=make, params=request, inputs=inputs
        )

    def fake_embedded(store, params, *, retrain=False):
        def make(out):
            CALLS.append(("teachers/embedded", None))
            for name in ("lang.safetensors", "object.safetensors"):
                (out / name).write_bytes(b"heads")
            (out / "provenance.json").write_text("{}")

        return Plan(path=store.embedded_teacher, stage="teachers/embedded", make=make, params={"retrain": retrain})

    monkeypatch.setitem(stages.PLANS, "scenes/capture", fake_capture)
    monkeypatch.setitem(stages.PLANS, "scenes/gaussians", fake_gaussians)
    monkeypatch.setitem(stages.PLANS, "teachers/embedded", fake_embedded)
    monkeypatch.setattr(stages, "PHASES", stages.PHASES[:2])


def no_such_home() -> InputError:
    return InputError("home.xml", expected="a home", got="nothing", fix="Fetch it.")
