"""Libraries that tests preload, built where they run."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def built(source: Path, folder: Path) -> Path:
    """A shared library of a C or C++ source; the test is skipped where it cannot be had."""
    compiler = "g++" if source.suffix == ".cpp" else "gcc"
    if sys.platform != "linux" or shutil.which(compiler) is None:
        pytest.skip("preloads a library built here")
    library = folder / f"{source.stem}.so"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", str(source), "-o", str(library), "-ldl"], check=True)
    return library
