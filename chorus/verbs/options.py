"""Options that several verbs take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

OUTPUTS = Literal["lang", "dino", "object", "upcast"]
Scene = Annotated[
    str,
    tyro.conf.Positional,
    tyro.conf.arg(metavar="SCENE", help="a file of splats, a fitted scene's name, or sample: the room that ships"),
]
Scale = Annotated[float | None, tyro.conf.arg(help="metres of one unit of the file")]
Unit = Annotated[
    Literal["m", "cm", "mm", "in", "ft"] | None, tyro.conf.arg(help="unit of the file, in place of --scale")
]
Ranks = Annotated[
    int | None,
    tyro.conf.arg(metavar="N", help="processes that share a step, a card each; ranks of params.yaml when absent"),
]
Model = Annotated[
    Path | None, tyro.conf.arg(help="a model's folder; when absent the workspace's, else the one that ships")
]
Host = Annotated[str | None, tyro.conf.arg(help="loopback when absent; another needs a token")]
Port = Annotated[int | None, tyro.conf.arg(help="the first free one from 8080 on when absent")]
TokenFile = Annotated[
    Path | None, tyro.conf.arg(metavar="FILE", help="holds the token to ask for; CHORUS_TOKEN when absent")
]


@dataclass(frozen=True, kw_only=True)
class Frame:
    """How a scene's file is to be read, as far as the user says."""

    up: Annotated[
        Literal["x", "-x", "y", "-y", "z", "-z", "keep"] | None,
        tyro.conf.arg(help="which way is up in the file; found from the file or the room when absent"),
    ] = None
    scale: Scale = None
    unit: Unit = None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Which model is asked."""

    model: Model = None
    adapter: Annotated[
        Path | None, tyro.conf.arg(help="folder of a domain's low-rank adapter of that model, in PEFT's layout")
    ] = None


UNSAID, USUAL = Frame(), Asked()
FrameOptions = Annotated[Frame, tyro.conf.OmitArgPrefixes, tyro.conf.arg(name="")]
ModelOptions = Annotated[Asked, tyro.conf.OmitArgPrefixes, tyro.conf.arg(name="")]
