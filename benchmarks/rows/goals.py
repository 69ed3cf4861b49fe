"""What is asked of a row, which depends on the instruction set it is measured with."""

from typing import TypeVar

from chorus_kernels import dispatch

Goal = TypeVar("Goal")


def goal(avx512: Goal, lesser: Goal) -> Goal:
    """The one for the build in use: AVX-512, or any lesser one."""
    return avx512 if dispatch.native().isa == "avx512" else lesser
