"""The .splat format of web viewers: 32 bytes a Gaussian - position, linear scale (float32), RGBA and rotation
(bytes)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from chorus.errors import InputError
from chorus.files import read_file
from chorus.io.assemble import Columns, assemble
from chorus.io.packing import logits
from chorus.moving import in_file_frame
from chorus.scene import SH_C0, GaussianScene
from chorus.store import atomic_file

_ROW = np.dtype([("position", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("rotation", "u1", 4)])


def read_splat(path: Path) -> GaussianScene:
    """A scene from a .splat file; colour and opacity have 8 bits there. Raises InputError on a cut-off file."""
    path = Path(path)
    try:
        content = read_file(path)
    except OSError as error:
        raise InputError(path, expected="a readable .splat file", got=error.strerror or error) from error
    if len(content) == 0 or len(content) % _ROW.itemsize:
        raise InputError(
            path,
            expected=f"a multiple of {_ROW.itemsize} bytes",
            got=len(content),
            fix="The file is cut off or no .splat: copy it again.",
        )
    rows = np.frombuffer(content, _ROW)
    rgba = rows["rgba"] / 255.0
    with np.errstate(divide="ignore", invalid="ignore"):
        log_scales = np.log(rows["scale"])
    columns = Columns(
        means=rows["position"],
        quats=(rows["rotation"] - 128.0) / 128.0,
        log_scales=log_scales,
        opacity_logits=logits(rgba[:, 3]),
        sh=((rgba[:, :3] - 0.5) / SH_C0)[:, None],
    )
    return assemble(path, columns)


def write_splat(path: Path, scene: GaussianScene) -> None:
    """Write a scene's base colours as .splat (view-dependent colour is lost), the largest and most opaque first;
    positions less the frame's offset."""
    scene = in_file_frame(scene.validate(path).detached().to("cpu"))
    size = scene.log_scales.double().sum(dim=1).exp() * scene.opacities
    scene = scene.select(size.argsort(descending=True, stable=True))
    rows = np.empty(len(scene), _ROW)
    rows["position"], rows["scale"] = scene.means.numpy(), scene.scales.numpy()
    rgba = np.concatenate([scene.rgb.numpy(), scene.opacities[:, None].numpy()], axis=1)
    rows["rgba"] = np.rint(rgba * 255.0)
    rows["rotation"] = np.rint(scene.unit_quats.numpy() * 128.0 + 128.0).clip(0, 255)
    with atomic_file(Path(path)) as temporary:
        temporary.write_bytes(rows.tobytes())
