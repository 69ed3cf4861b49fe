"""Read released Chorus / Sonata checkpoints (.pth) into our safetensors and config.

Their encoder has our parameter names behind prefixes such as ``module.`` and ``backbone.``; a teacher's projector is a
sequence LayerNorm, Linear, GELU, Linear (0, 1, 3) under a name of its own. Sizes are read from the shapes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from chorus.encoder.checkpoint import HeadConfig, ModelConfig, SceneModel, save_model
from chorus.encoder.inputs import CHANNELS, InputConfig
from chorus.encoder.model import EncoderConfig
from chorus.errors import InputError
from chorus.io.pth import read_pth

HEAD_SIZE = 16  # channels of an attention head in every released model
_ENCODER = re.compile(r"(?:^|\.)((?:embedding\.stem|enc\.enc\d+)\..+)$")
_PROJECTOR = re.compile(r"^(.*?)\.?([013])\.(weight|bias)$")
_ROLES = {
    "lang": ("lang", "siglip", "text", "clip"),
    "dino": ("dino", "gen"),
    "object": ("pe", "object", "sam", "spatial"),
}


@dataclass(frozen=True)
class Imported:
    """What an import found. matched: our names; missing: ours without a value; unexpected: theirs without a place."""

    model: SceneModel
    matched: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]

    def __str__(self) -> str:
        parts = (("matched", self.matched), ("missing", self.missing), ("unexpected", self.unexpected))
        return "; ".join(
            f"{len(names)} {what}" + (f" (first {names[0]})" if names and what != "matched" else "")
            for what, names in parts
        )


def import_checkpoint(
    path: Path,
    out: Path | None = None,
    *,
    roles: Mapping[str, str] | None = None,
    grid_size: float = 0.02,
    window: int = 1024,
) -> Imported:
    """Read a released .pth and, with ``out``, write it as model.safetensors and config.json.

    roles: projector name in the file -> role, where the name does not tell. Raises InputError for a file that is no
    checkpoint, or whose encoder is incomplete.
    """
    state = _tensors(Path(path))
    encoder = {match.group(1): tensor for name, tensor in state.items() if (match := _ENCODER.search(name))}
    projectors = _projectors({name: tensor for name, tensor in state.items() if not _ENCODER.search(name)})
    config = ModelConfig(
        encoder=_size(encoder, path, window),
        inputs=InputConfig(variant=_variant(encoder, path), grid_size=grid_size, voxel="first"),
        heads={
            role: HeadConfig(channels=p["3.weight"].shape[0], width=p["3.weight"].shape[1], teacher=name)
            for role, name, p in _by_role(projectors, roles)
        },
        notes={"imported": Path(path).name},
    )
    model = SceneModel(config)
    given = {f"encoder.{name}": tensor for name, tensor in encoder.items()}
    for role, _, projector in _by_role(projectors, roles):
        given |= {f"heads.{role}.{name}": tensor for name, tensor in projector.items()}
    own = model.state_dict()
    matched = tuple(sorted(name for name in given if name in own and own[name].shape == given[name].shape))
    missing = tuple(sorted(name for name in own if name not in matched and not name.startswith("spaces.")))
    used = {f"{name}.{part}" for _, name, p in _by_role(projectors, roles) for part in p}
    unexpected = tuple(sorted(name for name in state if not _ENCODER.search(name) and _strip(name) not in used))
    if any(name.startswith("encoder.") for name in missing):
        raise InputError(
            path,
            expected="a whole encoder",
            got=f"{len(missing)} of {len(own)} tensors missing, first {missing[0]}",
            fix="Fetch the file again.",
        )
    model.load_state_dict({name: given[name].float() for name in matched}, strict=False)
    if out is not None:
        save_model(model, out)
    return Imported(model.eval(), matched, missing, unexpected)


def _tensors(path: Path) -> dict[str, Tensor]:
    """The flat tensors of a file, wherever it keeps them. Nothing in it is run."""
    content = read_pth(path, expected="a .pth with tensors only", fix="Use the published weights file.")
    for key in ("state_dict", "model", "student", "teacher"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    found = (
        {name: value for name, value in content.items() if isinstance(value, Tensor)}
        if isinstance(content, dict)
        else {}
    )
    if not any(_ENCODER.search(name) for name in found):
        raise InputError(path, expected="the tensors of a scene encoder", got=f"{len(found)} others")
    return found


def _size(encoder: dict[str, Tensor], path: Path, window: int) -> EncoderConfig:
    stages = 1 + max(int(found[1]) for name in encoder if (found := re.match(r"enc\.enc(\d+)\.", name)))
    depths = [
        len({name.split(".")[2] for name in encoder if name.startswith(f"enc.enc{s}.block")}) for s in range(stages)
    ]
    try:
        channels = [encoder["embedding.stem.linear.weight"].shape[0]] + [
            encoder[f"enc.enc{s}.down.proj.weight"].shape[0] for s in range(1, stages)
        ]
        in_channels = encoder["embedding.stem.linear.weight"].shape[1]
    except KeyError as error:
        raise InputError(path, expected="a whole encoder", got=f"no {error}", fix="Fetch the file again.") from error
    return EncoderConfig(
        in_channels=in_channels,
        channels=tuple(channels),
        depths=tuple(depths),
        heads=tuple(max(1, c // HEAD_SIZE) for c in channels),
        window=window,
    )


def _variant(encoder: dict[str, Tensor], path: Path) -> str:
    channels = encoder["embedding.stem.linear.weight"].shape[1]
    for variant, count in CHANNELS.items():
        if count == channels:
            return variant
    raise InputError(path, expected=f"an encoder of {' or '.join(map(str, CHANNELS.values()))} inputs", got=channels)


def _projectors(state: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """name -> the six tensors of LayerNorm, Linear, Linear."""
    found: dict[str, dict[str, Tensor]] = {}
    for name, tensor in state.items():
        match = _PROJECTOR.match(_strip(name))
        if match:
            found.setdefault(match.group(1), {})[f"{match.group(2)}.{match.group(3)}"] = tensor
    return {name: parts for name, parts in found.items() if len(parts) == 6 and parts["1.weight"].ndim == 2}


def _by_role(
    projectors: dict[str, dict[str, Tensor]], roles: Mapping[str, str] | None
) -> list[tuple[str, str, dict[str, Tensor]]]:
    """(role, name in the file, tensors), a role once."""
    found = {}
    for name, projector in sorted(projectors.items()):
        role = (roles or {}).get(name) or next(
            (r for r, words in _ROLES.items() if any(word in name.lower() for word in words)), None
        )
        if role and role not in found:
            found[role] = (role, name, projector)
    return list(found.values())


def _strip(name: str) -> str:
    return re.sub(r"^(?:module\.|student\.|model\.)+", "", name)
