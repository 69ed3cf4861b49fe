"""What every stage may be told. params.yaml is the only source of defaults; CHORUS_PARAMS names one overlay file."""

from __future__ import annotations

import dataclasses
import math
import os
import typing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import yaml

from chorus.errors import ParamsError
from chorus.names import one_of
from chorus.yaml_files import parse_yaml


@dataclass(frozen=True)
class Range:
    """What a number may be, as told in an error: ``Annotated[int, Range("1 or more", lambda x: x >= 1)]``."""

    says: str
    holds: Callable[[float], bool]


Count = Annotated[int, Range("a number of 1 or more", lambda x: x >= 1)]
Whole = Annotated[int, Range("a number of 0 or more", lambda x: x >= 0)]
Positive = Annotated[float, Range("a number above 0", lambda x: x > 0)]
Amount = Annotated[float, Range("a number of 0 or more", lambda x: x >= 0)]
Share = Annotated[float, Range("a share from 0 to 1", lambda x: 0 <= x <= 1)]
ShareAboveZero = Annotated[float, Range("a share above 0, to 1", lambda x: 0 < x <= 1)]
ShareBelowOne = Annotated[float, Range("a share from 0 to below 1", lambda x: 0 <= x < 1)]


@dataclass(frozen=True, kw_only=True)
class CaptureParams:
    """Ingestion (scenes/capture)."""

    views: Count  # posed views a room
    width: Count  # pixels
    height: Count  # pixels
    photo_long_side: Count  # pixels; photos of real captures are scaled down to it
    rgbd_long_side: Count  # pixels; RGB-D frames likewise
    max_views: Count  # of a real capture; more are thinned out evenly


@dataclass(frozen=True, kw_only=True)
class FitParams:
    """Gaussian optimisation (scenes/gaussians)."""

    max_gaussians: Count  # of a rendered room
    iterations: Whole
    max_gaussians_real: Count  # of a real capture (photos, rgbd)
    iterations_real: Whole

    def effort(self, source: object) -> tuple[int, int]:
        """(Gaussians at most, iterations) of a capture from this source, as its info names it."""
        if source in ("photos", "rgbd"):
            return self.max_gaussians_real, self.iterations_real
        return self.max_gaussians, self.iterations


@dataclass(frozen=True, kw_only=True)
class MaskParams:
    """Automatic masks and their suppression (the mask-pooled language teacher)."""

    points_per_side: Count  # SAM is asked at a grid of so many points squared
    pred_iou: Share  # masks SAM itself rates lower are dropped
    stability: Share  # and those that change with the threshold
    box_nms: Share
    mask_nms: Share  # 1: off
    min_area: Whole  # pixels; smaller islands and holes are removed


@dataclass(frozen=True, kw_only=True)
class FoundationParams:
    """The foundation family: which models, how they look at images, how their features are kept."""

    lang: str  # each model: a name of `chorus teachers list`, a hub id, an open_clip MODEL:TAG, or a path
    dino: str
    object: str
    masks: str  # the segment-anything model behind mask-pooled language features
    text: str  # text tower of a C-RADIO language teacher
    lang_mode: Literal["patches", "masks"]
    long_side: Whole  # pixels of the longer side for dino and PE; 0: the image's own size
    window: Whole  # pixels; larger images are seen through sliding windows; 0: whole
    overlap: ShareBelowOne  # of neighbouring windows, fraction of a window
    batch: Count  # images at once
    half: bool  # half precision where the device has it
    trust_remote_code: bool  # C-RADIO runs code from its repository: read it first
    cache: str  # folder of the feature cache; empty: none
    cache_gb: Amount  # what was used longest ago goes when the cache is larger
    mask: MaskParams


@dataclass(frozen=True, kw_only=True)
class TeacherParams:
    """Teachers (teachers/embedded, scenes/teacher_views)."""

    family: Literal["embedded", "foundation"]
    dir: str  # where foundation weights lie; never looked at by the embedded family
    withheld: tuple[str, ...]  # class names never shown to the embedded language teacher's training
    train_steps: Count  # of 4 pairs of neighbouring views each, drawn and changed anew; over two decoders
    lr: Positive
    storage: Literal["half", "int8"]  # of patch features
    storage_error: Positive  # of int8: mean squared, as a share of the features' variance
    foundation: FoundationParams


@dataclass(frozen=True, kw_only=True)
class TargetParams:
    """Lifting (scenes/targets)."""

    min_weight: Amount  # total rendering weight (pixels) above which a Gaussian has a valid target
    rows_error: ShareAboveZero  # of the stored rows: mean squared, as a share of the lifted features' variance
    # rendering weights are stored up to this share of the per-Gaussian half arrays; beyond, every use makes them again
    weights_budget: Amount


@dataclass(frozen=True, kw_only=True)
class EncoderParams:
    """The encoder's size (PTv3 as revised for Sonata)."""

    preset: Literal["tiny", "small", "base"]
    grid_size: Positive  # metres, the finest voxel
    voxel: Literal["mean", "first"]  # how a voxel's Gaussians become one row
    upright: bool  # splats carry their height and normal too; false: the 11 numbers of the released models


@dataclass(frozen=True, kw_only=True)
class BlindParams:
    """How often a step hides a modality from all rows of a room."""

    color: Share
    opacity: Share
    normal: Share  # of inputs that carry normals: points, and upright splats


@dataclass(frozen=True, kw_only=True)
class DistillParams:
    """Multi-teacher distillation (models/encoder)."""

    steps: Count  # of ranks x accumulate rooms
    lr: Positive
    weight_decay: Amount
    warmup: Share  # share of the steps
    clip: Positive  # gradient norm
    crop: Whole  # Gaussians of a room that are encoded, those nearest to a drawn one; 0: all
    points: Count  # of them, that the loss sees, balanced by target clusters
    blind: BlindParams
    head_width: Count  # hidden width of a teacher's head
    log_every: Count  # steps a line of curves.csv
    checkpoint_every: Count  # steps
    ranks: Count  # processes that share a step, on a card each where there are cards
    accumulate: Count  # rooms a step of each rank
    checkpointing: Literal["auto", "always", "never"]  # of activations: same gradients, less memory, a third more time


@dataclass(frozen=True, kw_only=True)
class AdaptParams:
    """Render-and-distill (models/adapted_encoder)."""

    steps: Count  # of ranks x accumulate rooms
    lr: Positive
    views: Count  # a room
    min_coverage: Share  # of the fullest patch, below which a patch is not compared
    tune: Literal["heads", "last", "all", "lora"]  # what learns
    rank: Count  # of LoRA
    log_every: Count  # steps a line of curves.csv
    checkpoint_every: Count  # steps
    ranks: Count  # processes that share a step, on a card each where there are cards
    accumulate: Count  # rooms a step of each rank
    checkpointing: Literal["auto", "always", "never"]  # of activations: same gradients, less memory, a third more time


@dataclass(frozen=True, kw_only=True)
class EvaluateParams:
    """Evaluation (reports/evaluation)."""

    neighbors: Count  # splats that vote for a ground-truth point
    truth_grid: Positive  # metres; one ground-truth point in a voxel of this size
    probe_steps: Count
    probe_rows: Count  # labelled rows of each training room the probe learns from
    chance_seeds: Count  # simulations of uniformly random guesses
    bootstrap: Count  # draws of homes, and of rooms within them, behind every interval
    instance_vote: bool  # also print the vote inside ground-truth instances, which reads the truth


@dataclass(frozen=True, kw_only=True)
class Params:
    """One field per stage."""

    seed: Whole
    device: str  # auto | cpu | cuda | cuda:N (chorus.device); where a stage computes is no part of what it makes
    capture: CaptureParams
    fit: FitParams
    teachers: TeacherParams
    targets: TargetParams
    encoder: EncoderParams
    distill: DistillParams
    adapt: AdaptParams
    evaluate: EvaluateParams


def load_params(path: Path, overlay: Path | None = None) -> Params:
    """Read params.yaml, lay the overlay over it key by key, and check every key, type, choice and range.

    path: the workspace's file; where it has none, the defaults of this version stand in.
    overlay: a YAML file with some of the same keys; the CHORUS_PARAMS environment variable when None.
    Raises ParamsError naming the key, with the nearest known one for an unknown key or choice.
    """
    path = Path(path) if Path(path).exists() else defaults_file()
    values = _read_yaml(path)
    over = overlay or os.environ.get("CHORUS_PARAMS")
    if over:
        values = _merge(values, _read_yaml(Path(over)))
    return _build(Params, values, where=Path(over or path).name)


def defaults_file() -> Path:
    """The params.yaml of this version: in the package, or beside it in a checkout, which is where the package's comes
    from."""
    packaged = Path(__file__).with_name("params.yaml")
    return packaged if packaged.exists() else Path(__file__).parents[1] / "params.yaml"


def _read_yaml(path: Path) -> dict:
    try:
        content = parse_yaml(path.read_text())
    except OSError as error:
        raise ParamsError(
            path, expected="a readable parameter file", got=error, fix="Check CHORUS_PARAMS and CHORUS_ROOT."
        ) from error
    except (RecursionError, ValueError, yaml.YAMLError) as error:
        raise ParamsError(path, expected="YAML", got=error) from error
    if not isinstance(content, dict):
        raise ParamsError(path, expected="a mapping of stages", got=type(content).__name__)
    return content


def _merge(base: dict, over: dict) -> dict:
    merged = dict(base)
    for key, value in over.items():
        merged[key] = _merge(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
    return merged


def _build(kind: type, values: dict, *, where: str):
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key in values:
        one_of(str(key), fields, where, error=ParamsError)
    missing = [name for name in fields if name not in values]
    if missing:
        raise ParamsError(
            where,
            expected=f"a value for {', '.join(missing)}",
            got="none",
            fix="Copy the key from the params.yaml of this version.",
        )
    hints = typing.get_type_hints(kind, include_extras=True)
    return kind(**{key: _convert(hints[key], value, where=f"{where}: {key}") for key, value in values.items()})


def _convert(hint, value, *, where: str):
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise ParamsError(where, expected="a mapping", got=repr(value))
        return _build(hint, value, where=where)
    if origin is Annotated:
        return _in_range(_convert(parts[0], value, where=where), parts[1], where=where)
    if origin is Literal:
        return one_of(value, parts, where, error=ParamsError)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ParamsError(where, expected="a list", got=repr(value))
        return tuple(_convert(parts[0], item, where=where) for item in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise ParamsError(where, expected=hint.__name__, got=repr(value))
    return value


def _in_range(value: float, allowed: Range, *, where: str) -> float:
    if not (math.isfinite(value) and allowed.holds(value)):
        raise ParamsError(where, expected=allowed.says, got=value)
    return value
