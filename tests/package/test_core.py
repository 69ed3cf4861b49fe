"""The library and its core verbs need no package of an extra."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.package.verbs import FORBIDDEN, MADE, VERBS, prepare

ROOT = Path(__file__).parents[2]
FORBID = f"""
import sys

class Without:  # a finder that does not know the forbidden packages
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in {set(FORBIDDEN)!r} else self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
"""


def run(code: str, folder: Path) -> subprocess.CompletedProcess:
    environment = {**os.environ, "CHORUS_ROOT": str(folder), "PYTHONPATH": str(ROOT)}
    environment.pop("CHORUS_PARAMS", None)
    return subprocess.run(
        [sys.executable, "-c", FORBID + code], capture_output=True, text=True, cwd=folder, env=environment, timeout=120
    )


def test_the_core_verbs_work_without_any_extra(tmp_path):
    prepare(tmp_path)
    capture = """
import dataclasses, yaml
from pathlib import Path
from tests.unit.conftest import box_room
from chorus.params import load_params
from chorus.store import build

build(Path("data/capture/box"), stage="x", recipe=1, params={}, inputs={}, make=box_room(views=9).save)
Path("quick.yaml").write_text("fit: {max_gaussians: 200, iterations: 2}")
"""
    code = (
        capture
        + f"""
import os
os.environ["CHORUS_PARAMS"] = "quick.yaml"
from chorus.cli import main
for words in {[*VERBS, ["fit", "box"], ["show", "box", "-o", "box.png"]]!r}:
    main(words)
print(sorted(set(sys.modules) & {set(FORBIDDEN)!r}))
"""
    )
    done = run(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]" and "box: fitted" in done.stdout
    assert all((tmp_path / name).stat().st_size > 500 for name in (*MADE, "box.png"))


@pytest.mark.parametrize(
    ("code", "extra"),
    [
        ("from chorus.teachers.embedded.trunk import Trunk; Trunk()", "teachers"),
        ("from chorus.teachers.foundation.loading import quiet; quiet().__enter__()", "foundation"),
        (
            "from chorus.sources.sweethome3d.raycast import Tracer; import numpy; Tracer(numpy.zeros((1, 3, 3)))",
            "homes",
        ),
        ("from chorus.evaluate import plots; plots.curves({})", "report"),
    ],
)
def test_an_absent_extra_is_named_with_its_command(tmp_path, code, extra):
    lines = "".join(f"    {line.strip()}\n" for line in code.split(";"))
    done = run(
        f"from chorus.errors import MissingError\ntry:\n{lines}except MissingError as error:\n    print(error)",
        tmp_path,
    )
    assert done.stdout.strip().endswith(f"Run: pip install 'chorus-gs[{extra}]'"), done.stdout + done.stderr


def test_one_version():
    import chorus

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert chorus.__version__ == project["version"]
    assert f"version: {project['version']}\n" in (ROOT / "CITATION.cff").read_text()


def test_every_extra_the_code_asks_for_exists():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    asked = {
        name
        for path in (ROOT / "chorus").rglob("*.py")
        for name in re.findall(r'with extra\("(\w+)"\)|chorus-gs\[(\w+)\]', path.read_text())
    }
    asked = {name for pair in asked for name in pair if name}
    assert {"teachers", "foundation", "homes", "report"} <= asked <= set(extras)
