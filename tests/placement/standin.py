"""The stand-in device of the placement tests (standin.cpp), built once and loaded into a process of its own."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import sysconfig
import tempfile
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.utils import cpp_extension

SOURCE = Path(__file__).with_name("standin.cpp")
NAME = "standin"


def load() -> torch.device:
    """The device, its backend built where it is not yet and registered with torch. To be called before any backward
    pass: torch counts devices at the first."""
    if not hasattr(torch, NAME):
        torch.utils.rename_privateuse1_backend(NAME)
        torch._register_device_module(NAME, _module())
        torch.utils.generate_methods_for_privateuse1_backend()
        torch.ops.load_library(_built())
    return torch.device(NAME, 0)


@contextmanager
def waits() -> Iterator[dict[str, int]]:
    """What made the host wait for the device, or copied between them, inside the block: op -> times."""
    found: dict[str, int] = {}
    torch.ops.standin.forget()
    yield found
    found.update(torch.ops.standin.counts())


@contextmanager
def uncounted() -> Iterator[None]:
    """For what imitates another library's kernels: how a twin reads its tensors says nothing of them."""
    torch.ops.standin.listen(False)
    try:
        yield
    finally:
        torch.ops.standin.listen(True)


@contextmanager
def lending() -> Iterator[None]:
    """For networks of other libraries, which take rows by an index of the CPU as CUDA lets them."""
    here = hasattr(torch, NAME)  # a card needs no leave
    if here:
        torch.ops.standin.lend(True)
    try:
        yield
    finally:
        if here:
            torch.ops.standin.lend(False)


def host_reads(found: dict[str, int]) -> int:
    """How often the host waited for the device."""
    return sum(times for what, times in found.items() if what != "copy from the CPU")


def _module() -> types.ModuleType:
    """What torch asks ``torch.standin`` for."""
    module = types.ModuleType(NAME)
    module.is_available = lambda: True
    module.device_count = lambda: 1
    module.current_device = lambda: 0
    module._is_in_bad_fork = lambda: False
    module.manual_seed_all = lambda seed: torch.ops.standin.seed(seed % 2**63)
    module.get_amp_supported_dtype = lambda: [torch.bfloat16]
    return module


def _built() -> str:
    """The compiled backend, kept by the content of its source and the version of torch."""
    stamp = hashlib.sha256(SOURCE.read_bytes() + torch.__version__.encode() + sys.version.encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"chorus-standin-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    library = folder / f"{stamp}.so"
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not library.exists():
            _compile(library)
    return str(library)


def _compile(library: Path) -> None:
    new = library.with_suffix(".new")
    flags = ["-std=c++20", "-O1", "-shared", "-fPIC", "-w"]
    includes = [f"-I{path}" for path in (*cpp_extension.include_paths(), sysconfig.get_path("include"))]
    links = [*(f"-L{path}" for path in cpp_extension.library_paths()), "-ltorch", "-ltorch_cpu", "-lc10"]
    command = [os.environ.get("CXX", "c++"), *flags, *includes, str(SOURCE), "-o", str(new), *links]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the stand-in device did not compile:\n{done.stderr[-4000:]}")
    new.replace(library)
