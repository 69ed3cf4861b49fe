"""An encoder with its heads and everything it takes to run them, on disk as model.safetensors and config.json."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from huggingface_hub import PyTorchModelHubMixin, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from chorus.encoder.heads import Head, Space
from chorus.encoder.inputs import InputConfig
from chorus.encoder.model import Encoder, EncoderConfig
from chorus.errors import InputError, MissingError
from chorus.json_files import read_json, write_json

WEIGHTS, CONFIG = "model.safetensors", "config.json"


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """One teacher's head."""

    channels: int  # of the teacher
    width: int  # hidden
    teacher: str = ""  # its name; for the language role the source of text embeddings


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Everything needed to build the model and feed it."""

    encoder: EncoderConfig
    inputs: InputConfig
    heads: dict[str, HeadConfig] = field(default_factory=dict)  # by role: lang, dino, object
    text: str = ""  # what embeds words for the language head: "embedded" or "foundation:NAME@HASH"
    notes: dict = field(default_factory=dict)  # plain JSON: what the model was trained on

    def __post_init__(self):
        if self.encoder.in_channels != self.inputs.channels:
            expected = f"{self.inputs.channels} input channels for the {self.inputs.variant} variant"
            raise InputError("model config", expected=expected, got=self.encoder.in_channels)

    def to_json(self) -> dict:
        """Plain JSON for config.json."""
        return json.loads(json.dumps({"format": 1, **dataclasses.asdict(self)}))

    @classmethod
    def from_json(cls, values: dict) -> ModelConfig:
        """What :meth:`to_json` wrote. Raises KeyError or TypeError for anything else."""
        return cls(
            encoder=EncoderConfig(**values["encoder"]),
            inputs=InputConfig(**values["inputs"]),
            heads={role: HeadConfig(**head) for role, head in values["heads"].items()},
            text=values.get("text", ""),
            notes=values.get("notes", {}),
        )


class SceneModel(nn.Module, PyTorchModelHubMixin, tags=["3d", "gaussian-splatting"]):
    """Encoder, heads by role, and the teachers' spaces. Runs on voxels; see encode.SceneEncoder for scenes."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.encoder = Encoder(config.encoder)
        self.heads = nn.ModuleDict(
            {role: Head(config.encoder.width, head.width, head.channels) for role, head in config.heads.items()}
        )
        self.spaces = nn.ModuleDict({role: Space(head.channels) for role, head in config.heads.items()})

    def head(self, role: str) -> Head:
        return cast(Head, self.heads[role])

    def space(self, role: str) -> Space:
        return cast(Space, self.spaces[role])

    def _save_pretrained(self, save_directory: Path) -> None:
        save_model(self, save_directory)

    @classmethod
    def _from_pretrained(
        cls,
        *,
        model_id: str,
        map_location="cpu",
        revision=None,
        cache_dir=None,
        token=None,
        local_files_only=False,
        **_,
    ) -> SceneModel:
        fetch = {"revision": revision, "cache_dir": cache_dir, "token": token, "local_files_only": local_files_only}
        return open_model(model_id, **fetch).to(map_location)


def save_model(model: SceneModel, folder: Path) -> None:
    """Write model.safetensors and config.json; the same bytes for the same values."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(model.state_dict().items())}
    save_file(state, folder / WEIGHTS)
    write_json(folder / CONFIG, model.config.to_json())


def load_model(folder: Path) -> SceneModel:
    """Read what :func:`save_model` wrote, in eval mode. Raises InputError naming the file that is absent, damaged or of
    another model."""
    folder = Path(folder)
    values = read_json(
        folder / CONFIG, expected="the config of a scene encoder", fix="Train the encoder first or name its folder."
    )
    try:
        config = ModelConfig.from_json(values)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(folder / CONFIG, expected="the config of a scene encoder", got=repr(error)) from error
    try:
        state = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise InputError(
            folder / WEIGHTS, expected="the model's weights", got=error, fix="Copy or train the model again."
        ) from error
    model = SceneModel(config)
    fill(model, state, where=folder / WEIGHTS)
    return model.eval()


def open_model(source: str | Path, **fetch) -> SceneModel:
    """A model from its folder, or from the hub when the source reads ``owner/name`` and is no folder. fetch: revision,
    token and the like.

    Raises MissingError when it is in neither place.
    """
    if Path(source).is_dir():
        return load_model(Path(source))
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", str(source)):
        raise MissingError(
            source,
            expected="a model's folder or a hub id owner/name",
            got="nothing there",
            fix="Train the encoder first or name its folder.",
        )
    try:
        paths = [hf_hub_download(str(source), name, **fetch) for name in (CONFIG, WEIGHTS)]
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise MissingError(
            source,
            expected="a model's folder or hub id",
            got=error,
            fix="Name its folder, or check the id and the connection.",
        ) from error
    return load_model(Path(paths[0]).parent)


def fill(model: nn.Module, state: dict[str, Tensor], *, where: object) -> None:
    """Load a state dict that fits exactly. Raises InputError naming what is missing, unexpected or of another shape."""
    own = model.state_dict()
    missing = sorted(set(own) - set(state))
    unexpected = sorted(set(state) - set(own))
    shapes = sorted(name for name in set(own) & set(state) if own[name].shape != state[name].shape)
    if missing or unexpected or shapes:
        got = "; ".join(
            f"{len(names)} {what} (first {names[0]})"
            for what, names in (("missing", missing), ("unexpected", unexpected), ("of other shape", shapes))
            if names
        )
        raise InputError(
            where,
            expected=f"the {len(own)} tensors of this config",
            got=got,
            fix="Keep model.safetensors and config.json of one model together.",
        )
    model.load_state_dict(state)
