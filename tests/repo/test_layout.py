"""Guards of the layout: what may lie where, what may be written in it."""

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [
    p
    for top in ("benchmarks", "chorus", "orchestration", "kernels/chorus_kernels")
    for p in sorted((ROOT / top).rglob("*.py"))
]


def tracked() -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def test_nothing_heavy_is_tracked():
    heavy = {p.relative_to(ROOT).as_posix(): p.stat().st_size for p in tracked() if p.stat().st_size > 4_000_000}
    assert not heavy


def test_no_absolute_path_of_a_machine_is_written_down():
    pattern = re.compile(r"/(?:home|root|Users|opt|work)/\w")
    for path in tracked():
        if path.suffix in {".py", ".md", ".yaml", ".toml", ".txt", ".cpp", ".h", ".json", ".j2"} and path != Path(
            __file__
        ):
            assert not pattern.search(path.read_text(errors="replace")), path


@pytest.mark.parametrize("name", ["mlflow", "kernels", "data"])
def test_folders_that_share_a_package_name_are_no_packages(name):
    assert (ROOT / name).is_dir() and not (ROOT / name / "__init__.py").exists()


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_no_swallowed_errors_pickles_or_asserts(path):
    for node in ast.walk(ast.parse(path.read_text())):
        where = f"{path}:{getattr(node, 'lineno', 0)}"
        assert not (isinstance(node, ast.ExceptHandler) and node.type is None), f"{where}: bare except"
        assert not isinstance(node, ast.Assert), f"{where}: assert on what may be user input"
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("torch.load", "np.load"):
            keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
            assert keywords.get("weights_only") == "True" or keywords.get("allow_pickle") == "False", (
                f"{where}: unsafe load"
            )
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            assert "pickle" not in names, f"{where}: pickle"


def test_lines_of_cpp_fit_where_those_of_python_do():
    sources = sorted([*(ROOT / "kernels").rglob("*.cpp"), *(ROOT / "kernels").rglob("*.h")])
    long = [
        f"{path.name}:{number}"
        for path in sources
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > 120
    ]
    assert len(sources) > 30 and not long


def test_floors_hold():
    lint = shutil.which("lint-imports") or ROOT / ".venv" / "bin" / "lint-imports"
    done = subprocess.run([str(lint), "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_is_clean():
    ruff = shutil.which("ruff") or ROOT / ".venv" / "bin" / "ruff"
    done = subprocess.run([str(ruff), "check", "--no-cache", "."], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
