"""Memory of the C allocator, kept between large arrays instead of being given back and fetched anew."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock

# Parameters of glibc's mallopt (malloc.h) and their values as the process starts.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_TRIMMED, _MAPPED = 128 * 1024, 65536
_NEVER = -1
_lock, _holders = Lock(), 0


@contextmanager
def kept_heap() -> Iterator[None]:
    """Within it, arrays above 32 MiB come from the heap and go back to it, not to the system.

    A fresh page costs a microsecond or two, a third of the time of a wide network over a large scene, whose every
    temporary would be mapped and unmapped. What is held at the end is given back then. May be nested and entered by
    several threads. Does nothing where the C library is not glibc.
    """
    global _holders
    libc = _glibc()
    if libc is None:
        yield
        return
    with _lock:
        _holders += 1
        if _holders == 1:
            libc.mallopt(_MMAP_MAX, 0)
            libc.mallopt(_TRIM_THRESHOLD, _NEVER)
    try:
        yield
    finally:
        with _lock:
            _holders -= 1
            if not _holders:
                libc.mallopt(_MMAP_MAX, _MAPPED)
                libc.mallopt(_TRIM_THRESHOLD, _TRIMMED)
                give_back()


def give_back() -> None:
    """Return to the system what the heap holds and nobody uses."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    try:
        libc = ctypes.CDLL(None)
        libc.gnu_get_libc_version  # noqa: B018  what glibc alone has
    except (OSError, AttributeError, TypeError):
        return None
    return libc
