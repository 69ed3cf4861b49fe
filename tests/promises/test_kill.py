"""SIGKILL at random moments of a small chain, to any of its processes or to all: it goes on to the same bytes.

CHORUS_KILLS: how many (7); CHORUS_EXAMPLES=random draws other moments. The chain is the real one: captures, fits,
teachers, targets, a distillation in two ranks of torchrun, adaptation, report and registry, as Dagster runs.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chorus.store import MANIFEST
from tests.pipeline.processes import alive, bearing, wait_until
from tests.pipeline.tiny import OVERLAY, lay_out

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("CHORUS_KILLS", "7"))
LONGEST = 600  # seconds of a chain that nobody disturbs
SCENES = """\
furniture: {train: [Scopia]}
scenes:
  - {id: train-a, home: Tiny, room: 0, furniture: train, light: day, seed: 1}
  - {id: train-b, home: Tiny, room: 0, light: bright, seed: 2}
  - {id: test-a, home: Tiny, room: 0, furniture: train, light: bright, split: held_out, seed: 3}
  - {id: check-a, home: Tiny, room: 0, furniture: train, light: day, split: validation, seed: 6}
  - {id: new-train, home: Tiny, room: 0, light: dusk, domain: second, seed: 4}
  - {id: new-test, home: Tiny, room: 0, light: evening, domain: second, split: held_out, seed: 5}
"""
RUNS = """
import json
from orchestration.run import history
print(json.dumps({run.run_id: run.status.value for run in history.instance().get_runs()}))
"""
UNFINISHED = {"STARTED", "STARTING", "NOT_STARTED", "CANCELING"}


class Chain:
    """A project folder in which the chain is run, killed and run again."""

    def __init__(self, root: Path):
        self.root, self.mark = root, f"CHORUS_ROOT={root}\0"
        lay_out(root)
        (root / "data/scenes.yaml").write_text(SCENES)
        (root / "tiny.yaml").write_text(OVERLAY.replace("distill: {", "distill: {ranks: 2, "))
        (root / "tmp").mkdir()
        self.environment = {
            **os.environ,
            "CHORUS_ROOT": str(root),
            "CHORUS_PARAMS": str(root / "tiny.yaml"),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])),
            "DAGSTER_HOME": "",
            "MLFLOW_TRACKING_URI": "",
            "TMPDIR": str(root / "tmp"),
        }

    def start(self) -> subprocess.Popen:
        command = [sys.executable, "-m", "orchestration.materialize", "--all", "--jobs", "2"]
        log = open(self.root / "log.txt", "a")
        return subprocess.Popen(
            command, cwd=self.root, env=self.environment, stdout=log, stderr=log, start_new_session=True
        )

    def finish(self) -> float:
        """Run to the end; seconds."""
        start = time.monotonic()
        code = self.start().wait(LONGEST)
        assert code == 0, (self.root / "log.txt").read_text()[-3000:]
        return time.monotonic() - start

    def kill(self, moment: float, draw: random.Random) -> str:
        """Run, and kill at a moment; who was killed. Whoever is left ends by itself."""
        process, until = self.start(), time.monotonic() + moment
        while time.monotonic() < until and process.poll() is None:
            time.sleep(0.02)
        running = bearing(self.mark)
        if process.poll() is not None or not running:
            return "nobody: it was done"
        whom = draw.choice(["driver", "all", "one", "one"])
        numbers = {"driver": [process.pid], "all": running, "one": [draw.choice(running)]}[whom]
        names = ", ".join(sorted(_name(number) for number in numbers))
        for number in numbers:
            if alive(number):
                os.kill(number, signal.SIGKILL)
        process.wait(LONGEST)  # one lost worker or rank is said, and what does not need it is done
        wait_until(lambda: not bearing(self.mark), seconds=30)
        return f"{whom}: {names}"

    def hashes(self) -> dict[str, str]:
        """Content hash of every artifact, the report aside, which says how long things took."""
        found = sorted(path for path in self.root.glob(f"data/**/{MANIFEST}") if "reports" not in path.parts)
        return {str(path.parent.relative_to(self.root)): json.loads(path.read_text())["hash"] for path in found}

    def left_over(self) -> list[str]:
        """Temporary files and folders of ours."""
        ours = [*self.root.glob("data/**/.*[0-9]-[0-9a-f]*"), *self.root.glob(".state/**/.*[0-9]-[0-9a-f]*")]
        return [str(path) for path in [*ours, *(self.root / "tmp").glob("chorus-*")]]

    def unfinished(self) -> set[str]:
        """Runs that Dagster believes to go on."""
        command = [sys.executable, "-c", RUNS]
        done = subprocess.run(command, cwd=self.root, env=self.environment, capture_output=True, text=True, check=True)
        return {run for run, status in json.loads(done.stdout.splitlines()[-1]).items() if status in UNFINISHED}

    def forget(self) -> None:
        """As before the first run; the homes stay."""
        for name in ("capture", "gaussians", "teacher_views", "targets", "teachers", "models", "reports"):
            shutil.rmtree(self.root / "data" / name, ignore_errors=True)
        shutil.rmtree(self.root / ".state/checkpoints", ignore_errors=True)


def _name(number: int) -> str:
    try:
        words = Path(f"/proc/{number}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return "gone"
    named = [word for word in words if word.startswith(("orchestration.", "chorus.", "multiprocessing", "from multi"))]
    return named[-1].split(" ")[-1] if named else Path(words[0]).name


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_killed_at_random_moments_the_chain_ends_in_the_same_bytes(tmp_path, record_property):
    seed = random.SystemRandom().randrange(2**32) if os.environ.get("CHORUS_EXAMPLES") == "random" else 0
    draw, chain = random.Random(seed), Chain(tmp_path)
    seconds = chain.finish()
    expected, told = chain.hashes(), []
    assert len(expected) > 20 and not chain.left_over() and not chain.unfinished()
    while len(told) < KILLS:
        chain.forget()
        for _ in range(min(draw.randint(1, 6), KILLS - len(told))):
            told.append(chain.kill(draw.uniform(0.5, 0.6 * seconds), draw))
        chain.finish()
        again = chain.hashes()
        assert again == expected, f"seed {seed}, after {told}: {_differ(again, expected)}"
        assert not chain.left_over() and not chain.unfinished(), f"seed {seed}, after {told}"
    record_property("kills", told)
    print(json.dumps({"kills": told, "seconds": seconds}))


def _differ(a: dict[str, str], b: dict[str, str]) -> list[str]:
    return sorted(name for name in {*a, *b} if a.get(name) != b.get(name))
