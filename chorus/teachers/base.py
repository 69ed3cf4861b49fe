"""The one protocol every 2D teacher speaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Protocol, TypeGuard, runtime_checkable

from torch import Tensor

from chorus.errors import InputError

if TYPE_CHECKING:
    from chorus.teachers.masks import MaskTargets

Role = Literal["lang", "dino", "object"]
ROLES: tuple[Role, ...] = ("lang", "dino", "object")


@runtime_checkable
class Teacher(Protocol):
    """A frozen 2D model that gives an image a coarse grid of features.

    lang: comparable with words; dino: broad visual structure; object: shapes and boundaries.
    """

    name: str
    role: Role
    dim: int

    def patch_grid(self, height: int, width: int) -> tuple[int, int]:
        """(rows, cols) of the feature map for an image of this size, pixels."""
        ...

    def features(self, images: Tensor) -> Tensor:
        """images [B, H, W, 3] in 0..1 (sRGB) -> patch features [B, h, w, dim], float32."""
        ...


@runtime_checkable
class LanguageTeacher(Teacher, Protocol):
    """A teacher whose features can be compared with words by cosine."""

    def text(self, prompts: list[str]) -> Tensor:
        """[T, dim] L2-normalised embeddings of the prompts."""
        ...


class MaskTeacher(Teacher, Protocol):
    """A teacher that answers with one vector for every mask it finds, which is lifted exactly instead of patch by
    patch."""

    def pooled(self, images: Tensor) -> MaskTargets:
        """images [B, H, W, 3] in 0..1 -> label maps and vectors of all masks."""
        ...


def language_of(teachers: Mapping[Role, Teacher]) -> LanguageTeacher:
    """The teacher that knows words. Raises InputError when there is none."""
    teacher = teachers.get("lang")
    if not isinstance(teacher, LanguageTeacher):
        raise InputError("teachers", expected="a language teacher", got=", ".join(teachers) or "none")
    return teacher


def answers_by_mask(teacher: Teacher) -> TypeGuard[MaskTeacher]:
    """Whether this is a :class:`MaskTeacher`."""
    return callable(getattr(teacher, "pooled", None))
