"""Low-rank adapters of a model, in the files of PEFT: one for each domain, over one base model.

adapter_config.json and adapter_model.safetensors hold, for every adapted Linear, A [r, in] and B [out, r] of
W + (alpha / r) B A (Hu et al. 2022), and whole the modules that were trained with them. The file also names the base
it was trained over, by content, where PEFT looks for nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from chorus.errors import InputError, MissingError
from chorus.json_files import read_json, write_json

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."  # PEFT's, before the name of every module
A, B = ".lora_A.weight", ".lora_B.weight"
BASE = "chorus.base"  # key of the file's metadata: content of the base model
DEFAULTS = {  # of PEFT's options, those that change what the numbers mean: any other value is refused
    "peft_type": "LORA",
    "bias": "none",
    "fan_in_fan_out": False,
    "use_dora": False,
    "rank_pattern": {},
    "alpha_pattern": {},
}


def content_of(model: nn.Module) -> str:
    """A hash of a model's numbers and their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def save_adapter(
    folder: Path,
    *,
    low_rank: Mapping[str, tuple[Tensor, Tensor]],
    alpha: float,
    whole: Mapping[str, nn.Module],
    base: str,
) -> None:
    """Write both files. low_rank: name of each adapted Linear -> A [r, in], B [out, r]; whole: name -> module trained
    as it is; base: content of the model they are over."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for name, (a, b) in low_rank.items():
        tensors |= {PREFIX + name + A: a, PREFIX + name + B: b}
    for name, module in whole.items():
        tensors |= {f"{PREFIX}{name}.{key}": tensor for key, tensor in module.state_dict().items()}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(tensors.items())}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt", BASE: base})
    rank = next(iter(low_rank.values()))[0].shape[0]
    config = {
        **DEFAULTS,
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "use_rslora": False,
        "target_modules": sorted({name.rpartition(".")[2] for name in low_rank}),
        "modules_to_save": sorted(whole),
        "inference_mode": True,
        "task_type": None,
        "base_model_name_or_path": None,
    }
    write_json(folder / CONFIG, config)


@torch.no_grad()
def apply_adapter(model: nn.Module, folder: Path) -> None:
    """Fold an adapter into the base model it was trained over.

    Raises MissingError where there is none, InputError for a damaged one, one of another base model, and one that says
    what is not understood here.
    """
    folder = Path(folder)
    config = read_json(folder / CONFIG, expected="a PEFT adapter", fix="Name the folder of adapter_config.json.")
    factor = _factor(config, folder / CONFIG)
    tensors, base = _read(folder / WEIGHTS)
    content = content_of(model)
    if base not in (None, content):
        raise InputError(
            folder,
            expected=f"an adapter of this model ({content[:12]})",
            got=f"one of {base[:12]}",
            fix="Load the model it was trained over.",
        )
    named = dict(model.named_parameters())
    for key, tensor in tensors.items():
        name = key.removeprefix(PREFIX)
        if name.endswith(A):
            continue
        if name.endswith(B):
            name = name.removesuffix(B)
            tensor = _product(tensors, key, folder) * factor
            _fitting(named, f"{name}.weight", tensor, folder).add_(tensor.to(named[f"{name}.weight"].device))
        else:
            _fitting(named, name, tensor, folder).copy_(tensor)


def _product(tensors: Mapping[str, Tensor], key: str, folder: Path) -> Tensor:
    """[out, in] B A, B under ``key``."""
    a, b = tensors.get(key.removesuffix(B) + A), tensors[key]
    if a is None or a.ndim != 2 or b.ndim != 2 or len(a) != b.shape[1]:
        raise InputError(folder / WEIGHTS, expected="A [r, in] and B [out, r]", got=f"others for {key}")
    return b @ a


def _factor(config: object, where: Path) -> float:
    if not isinstance(config, dict):
        raise InputError(where, expected="a mapping", got=type(config).__name__)
    for name, value in DEFAULTS.items():
        if (config.get(name, value) or value) != value:
            raise InputError(where, expected=f"{name}: {value}", got=repr(config[name]))
    try:
        rank, alpha = int(config["r"]), float(config["lora_alpha"])
        return alpha / (rank**0.5 if config.get("use_rslora") else rank)
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise InputError(where, expected="r and lora_alpha", got=repr(error)) from error


def _read(path: Path) -> tuple[dict[str, Tensor], str | None]:
    """The tensors, and the content of the base model where the file says it."""
    if not path.is_file():
        raise MissingError(path, expected="the adapter's weights", got="nothing there")
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, (file.metadata() or {}).get(BASE)
    except (OSError, SafetensorError) as error:
        raise InputError(
            path, expected="the adapter's weights", got=error, fix="Copy or train the adapter again."
        ) from error


def _fitting(named: Mapping[str, nn.Parameter], name: str, tensor: Tensor, folder: Path) -> nn.Parameter:
    if name not in named or named[name].shape != tensor.shape:
        got = list(named[name].shape) if name in named else "no such parameter"
        raise InputError(
            folder / WEIGHTS, expected=f"{name} {list(tensor.shape)} in the model", got=got, fix="Load its base model."
        )
    return named[name]
