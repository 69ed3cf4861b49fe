"""An encoder with its heads and everything it takes to run them, on disk as model.safetensors and config.json."""

from __future__ import annotations

import dataclasses
import json
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from chorus.encoder.heads import Head, Space
from chorus.encoder.inputs import InputConfig
from chorus.encoder.model import Encoder, EncoderConfig
from chorus.errors import InputError, MissingError
from chorus.files import reading, regular
from chorus.json_files import read_json, write_json

_CONFIG = "the config of a scene encoder"
_AGAIN = "Keep model.safetensors and config.json of one model together."
WEIGHTS, CONFIG = "model.safetensors", "config.json"
CARD = """---
library_name: chorus
tags: [3d, gaussian-splatting]
---
A scene encoder: `chorus.load` with this repository's id reads it, with the package `chorus-gs`.
"""


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """One teacher's head."""

    channels: int  # of the teacher
    width: int  # hidden
    teacher: str = ""  # its name; for the language role the source of text embeddings
    folded: bool = False  # its last layer gives the teacher's own space, not the standardised one


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
        values = json.loads(json.dumps({"format": 1, **dataclasses.asdict(self)}))
        for head in values["heads"].values():
            if not head["folded"]:
                del head["folded"]  # said only where it holds, so that a config of before keeps its bytes
        return values

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


class SceneModel(nn.Module):
    """Encoder, heads by role, and the teachers' spaces. Runs on voxels; see encode.SceneEncoder for scenes."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.encoder = Encoder(config.encoder)
        self.heads = nn.ModuleDict(
            {role: Head(config.encoder.width, head.width, head.channels) for role, head in config.heads.items()}
        )
        self.spaces = nn.ModuleDict(
            {role: Space(head.channels) for role, head in config.heads.items() if not head.folded}
        )

    def head(self, role: str) -> Head:
        return cast(Head, self.heads[role])

    def space(self, role: str) -> Space:
        """Raises InputError for a head that it was folded into: such a model is for reading scenes alone."""
        if role not in self.spaces:
            raise InputError(
                f"model: the {role} head",
                expected="its teacher's space beside it, to train it further",
                got="one folded into it",
                fix="Start from the model this one was made of.",
            )
        return cast(Space, self.spaces[role])

    def in_teacher_space(self, role: str, upcast: Tensor) -> Tensor:
        """[N, C] of up-cast features [N, width]."""
        found = self.heads[role](upcast)
        return self.spaces[role](found) if role in self.spaces else found

    def save_pretrained(self, folder: str | Path) -> None:
        """As :func:`save_model`, under the name models of the Hugging Face hub know."""
        save_model(self, Path(folder))

    @classmethod
    def from_pretrained(cls, source: str | Path, **fetch) -> SceneModel:
        """As :func:`open_model`."""
        return open_model(source, **fetch)

    def push_to_hub(self, repo_id: str, *, private: bool | None = None, token: str | None = None) -> str:
        """Upload the model with a card that says what it is, into a repository made where there is none; its URL."""
        from huggingface_hub import HfApi

        api = HfApi(token=token)
        url = api.create_repo(repo_id, private=private, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            save_model(self, Path(folder))
            (Path(folder) / "README.md").write_text(CARD)
            api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message="Push model")
        return str(url)


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
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise InputError(folder / CONFIG, expected=_CONFIG, got=repr(error)) from error
    try:
        state = load_file(regular(folder / WEIGHTS))
    except (OSError, SafetensorError) as error:
        raise InputError(
            folder / WEIGHTS, expected="the model's weights", got=error, fix="Copy or train the model again."
        ) from error
    with reading(folder / CONFIG, expected=_CONFIG, fix=_AGAIN):
        if sum(config.encoder.depths) > len(state):
            raise ValueError(f"{sum(config.encoder.depths)} blocks of {len(state)} tensors")
        with torch.device("meta"):  # shapes alone: a config may promise any size
            check_fits(SceneModel(config), state, where=folder / WEIGHTS)
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
    # imported here: a quarter of a second, and most models are folders
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

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
    """Load a state dict that fits exactly. Raises InputError as :func:`check_fits`."""
    check_fits(model, state, where=where)
    model.load_state_dict(state)


def check_fits(model: nn.Module, state: dict[str, Tensor], *, where: object) -> None:
    """Raise InputError naming what of a state dict is missing, unexpected or of another shape."""
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
        raise InputError(where, expected=f"the {len(own)} tensors of this config", got=got, fix=_AGAIN)
