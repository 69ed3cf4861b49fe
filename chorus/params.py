"""What every stage may be told. params.yaml is the only source of defaults; CHORUS_PARAMS names one overlay file."""

from __future__ import annotations

import dataclasses
import difflib
import os
import types
import typing
from dataclasses import dataclass
from pathlib import Path

import yaml

from chorus.errors import ParamsError


@dataclass(frozen=True, kw_only=True)
class CaptureParams:
    """Ingestion (scenes/capture)."""

    views: int  # posed views a room
    width: int  # pixels
    height: int  # pixels
    photo_long_side: int  # pixels; photos of real captures are scaled down to it
    rgbd_long_side: int  # pixels; RGB-D frames likewise
    max_views: int  # of a real capture; more are thinned out evenly


@dataclass(frozen=True, kw_only=True)
class FitParams:
    """Gaussian optimisation (scenes/gaussians)."""

    max_gaussians: int  # of a rendered room
    iterations: int
    max_gaussians_real: int  # of a real capture (photos, rgbd)
    iterations_real: int


@dataclass(frozen=True, kw_only=True)
class MaskParams:
    """Automatic masks and their suppression (the mask-pooled language teacher)."""

    points_per_side: int  # SAM is asked at a grid of so many points squared
    pred_iou: float  # masks SAM itself rates lower are dropped
    stability: float  # and those that change with the threshold
    box_nms: float
    mask_nms: float  # 1: off
    min_area: int  # pixels; smaller islands and holes are removed


@dataclass(frozen=True, kw_only=True)
class FoundationParams:
    """The foundation family: which models, how they look at images, how their features are kept."""

    lang: str  # each model: a name of `chorus teachers list`, a hub id, an open_clip MODEL:TAG, or a path
    dino: str
    object: str
    masks: str  # the segment-anything model behind mask-pooled language features
    text: str  # text tower of a C-RADIO language teacher
    lang_mode: str  # patches | masks
    long_side: int  # pixels of the longer side for dino and PE; 0: the image's own size
    window: int  # pixels; larger images are seen through sliding windows; 0: whole
    overlap: float  # of neighbouring windows, fraction of a window
    batch: int  # images at once
    half: bool  # half precision where the device has it
    trust_remote_code: bool  # C-RADIO runs code from its repository: read it first
    cache: str  # folder of the feature cache; empty: none
    cache_gb: float  # what was used longest ago goes when the cache is larger
    mask: MaskParams


@dataclass(frozen=True, kw_only=True)
class TeacherParams:
    """Teachers (teachers/embedded, scenes/teacher_views)."""

    family: str  # embedded | foundation
    dir: str  # where foundation weights lie; never looked at by the embedded family
    withheld: tuple[str, ...]  # class names never shown to the embedded language teacher's training
    train_pairs: int  # pairs of neighbouring views drawn, augmented and shown to the trunk once
    train_steps: int  # 4 pairs each, over two decoders
    lr: float
    storage: str  # of patch features: half | int8
    storage_error: float  # of int8: mean squared, as a share of the features' variance
    foundation: FoundationParams


@dataclass(frozen=True, kw_only=True)
class TargetParams:
    """Lifting (scenes/targets)."""

    min_weight: float  # total rendering weight (pixels) above which a Gaussian has a valid target
    # rendering weights are stored up to this share of the per-Gaussian half arrays; beyond, every use makes them again
    weights_budget: float


@dataclass(frozen=True, kw_only=True)
class EncoderParams:
    """The encoder's size (PTv3 as revised for Sonata)."""

    preset: str  # tiny | small | base
    grid_size: float  # metres, the finest voxel
    voxel: str  # mean | first: how a voxel's Gaussians become one row
    upright: bool  # splats carry their height and normal too; false: the 11 numbers of the released models


@dataclass(frozen=True, kw_only=True)
class DistillParams:
    """Multi-teacher distillation (models/encoder)."""

    steps: int  # one room each
    lr: float
    weight_decay: float
    warmup: float  # share of the steps
    clip: float  # gradient norm
    points: int  # Gaussians a step that the loss sees, balanced by target clusters
    head_width: int  # hidden width of a teacher's head
    log_every: int  # steps a line of curves.csv
    checkpoint_every: int  # steps


@dataclass(frozen=True, kw_only=True)
class AdaptParams:
    """Render-and-distill (models/adapted_encoder)."""

    steps: int  # one room each
    lr: float
    views: int  # a step
    min_coverage: float  # of the fullest patch, below which a patch is not compared
    tune: str  # heads | last | all | lora: what learns
    rank: int  # of LoRA
    log_every: int


@dataclass(frozen=True, kw_only=True)
class EvaluateParams:
    """Evaluation (reports/evaluation)."""

    neighbors: int  # splats that vote for a ground-truth point
    truth_grid: float  # metres; one ground-truth point in a voxel of this size
    probe_steps: int
    probe_rows: int  # labelled rows of each training room the probe learns from
    chance_seeds: int  # simulations of uniformly random guesses
    bootstrap: int  # draws of homes, and of rooms within them, behind every interval
    instance_vote: bool  # also print the vote inside ground-truth instances, which reads the truth


@dataclass(frozen=True, kw_only=True)
class Params:
    """One field per stage."""

    seed: int
    capture: CaptureParams
    fit: FitParams
    teachers: TeacherParams
    targets: TargetParams
    encoder: EncoderParams
    distill: DistillParams
    adapt: AdaptParams
    evaluate: EvaluateParams


def load_params(path: Path, overlay: Path | None = None) -> Params:
    """Read params.yaml, lay the overlay over it key by key, and check every key and type.

    overlay: a YAML file with some of the same keys; the CHORUS_PARAMS environment variable when None.
    Raises ParamsError naming the key, with the nearest known key for an unknown one.
    """
    values = _read_yaml(Path(path))
    overlay = overlay or os.environ.get("CHORUS_PARAMS")
    if overlay:
        values = _merge(values, _read_yaml(Path(overlay)))
    return _build(Params, values, where=Path(overlay or path).name)


def _read_yaml(path: Path) -> dict:
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ParamsError(
            path, expected="a readable parameter file", got=error, fix="Run from the project folder or set CHORUS_ROOT."
        ) from error
    except yaml.YAMLError as error:
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
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            raise ParamsError(
                where,
                expected=f"one of {', '.join(fields)}",
                got=f"unknown key '{key}'",
                fix=f"Did you mean '{near[0]}'?" if near else "",
            )
    missing = [name for name in fields if name not in values]
    if missing:
        raise ParamsError(
            where,
            expected=f"a value for {', '.join(missing)}",
            got="none",
            fix="Copy the key from the params.yaml of this version.",
        )
    hints = typing.get_type_hints(kind)
    return kind(**{key: _convert(hints[key], value, where=f"{where}: {key}") for key, value in values.items()})


def _convert(hint, value, *, where: str):
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise ParamsError(where, expected="a mapping", got=repr(value))
        return _build(hint, value, where=where)
    if typing.get_origin(hint) is types.UnionType:  # X | None
        return None if value is None else _convert(typing.get_args(hint)[0], value, where=where)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, (list, tuple)):
            raise ParamsError(where, expected="a list", got=repr(value))
        return tuple(_convert(typing.get_args(hint)[0], item, where=where) for item in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise ParamsError(where, expected=hint.__name__, got=repr(value))
    return value
