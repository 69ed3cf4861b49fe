"""A teacher around another."""

from __future__ import annotations

from chorus.teachers.base import Role

_PROTOCOL = ("name", "role", "dim", "text")


class Wrapped:
    """What it does not do itself, the inner teacher does."""

    name: str
    role: Role
    dim: int

    def __init__(self, inner):
        self.inner = inner
        for name in _PROTOCOL:  # in plain sight: from Python 3.12 on, isinstance of a protocol does not ask __getattr__
            if name not in dir(type(self)) and hasattr(inner, name):
                setattr(self, name, getattr(inner, name))

    def patch_grid(self, height: int, width: int) -> tuple[int, int]:
        return self.inner.patch_grid(height, width)

    def __getattr__(self, name: str):
        if name == "inner":  # not set yet: copying or unpickling
            raise AttributeError(name)
        return getattr(self.inner, name)
