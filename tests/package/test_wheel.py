"""The wheel: what is in it, and that it works outside any checkout."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.package.verbs import MADE, VERBS, prepare

ROOT = Path(__file__).parents[2]
SHIPPED = ("model.safetensors", "config.json")
pytestmark = pytest.mark.slow  # compiles the kernels


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    one_isa = ["-C", "cmake.define.CHORUS_ISAS=sse42", "-C", f"build-dir={out / 'build'}"]
    pip("wheel", str(ROOT), "--no-deps", "--no-build-isolation", *one_isa, "--wheel-dir", str(out))
    return next(out.glob("chorus_gs-*.whl"))


def pip(*words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *words], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_holds_the_library_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert archive.read("chorus/params.yaml") == (ROOT / "params.yaml").read_bytes()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"chorus", "chorus_kernels", wheel.name.split("-cp")[0] + ".dist-info"}
    assert {
        "chorus/py.typed",
        "chorus/evaluate/report.html.j2",
        "chorus/teachers/embedded/weights/lang.safetensors",
    } <= {*names}
    shipped = {f"chorus/weights/{variant}/{name}" for variant in ("splats", "points") for name in SHIPPED}
    assert shipped | {"chorus/weights/README.md", "chorus/weights/manifest.json", "chorus/weights/run.json"} <= {*names}
    assert {"chorus/sample/room.spz", "chorus/sample/README.md"} <= {*names}
    kernels = [name for name in names if name.startswith("chorus_kernels/")]
    assert sum(name.endswith(".so") for name in kernels) == 1
    assert all(name.endswith((".py", ".so", ".pyi", ".typed")) for name in kernels)
    assert not any("test" in Path(name).name for name in names)


def test_it_works_outside_a_checkout(wheel, tmp_path):
    site = tmp_path / "site"
    pip("install", "--no-deps", "--target", str(site), str(wheel))
    prepare(tmp_path)
    # -S: no .pth is read, so that the editable install of this checkout stays out
    places = os.pathsep.join([str(site), sysconfig.get_path("purelib")])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CHORUS_")}

    def python(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-S", *words],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**environment, "PYTHONPATH": places},
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = python(
        "-c", "import chorus, chorus_kernels._native as n; print(chorus.__file__); print(n.__file__)"
    ).split()
    assert all(Path(path).is_relative_to(site) for path in where)
    said = [python(str(site / "bin" / "chorus"), *words) for words in VERBS]
    assert said[0].startswith("chorus 0.") and "300 Gaussians" in said[1]
    assert said[-1].startswith("The room is about 4.1 x 2.") and " bed (" in said[-1]
    assert all((tmp_path / name).stat().st_size > 500 for name in MADE)
