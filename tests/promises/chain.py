"""The real chain on a tiny home, in a project folder of its own: captures, fits, teachers, targets, a distillation in
two ranks of torchrun, adaptation, report and registry, as Dagster runs. It can be run, struck and looked into."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from chorus.store import MANIFEST
from tests.pipeline.processes import bearing, wait_until
from tests.pipeline.tiny import OVERLAY, lay_out

ROOT = Path(__file__).parents[2]
LONGEST = 1800  # seconds of a chain that nobody disturbs, on a busy machine
WHILE_IT_TRAINS = 4.0  # seconds of a rank's life in which it is killed
START, PAUSE = 0.2, 0.06  # of those seconds: the longest wait for a kill after a start, and after a kill it outlived
RUNS = """
import json
from orchestration.run import history
print(json.dumps({run.run_id: run.status.value for run in history.instance().get_runs()}))
"""
RANK = "\0LOCAL_RANK="  # what torchrun tells each rank
UNFINISHED = {"STARTED", "STARTING", "NOT_STARTED", "CANCELING"}


class Chain:
    """A project folder in which the chain is run, killed and run again. environment: added to its processes'."""

    def __init__(self, root: Path, **environment: str):
        self.root, self.mark = root, f"CHORUS_ROOT={root}\0"
        lay_out(root, without=("new-check",))
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
            **environment,
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

    def disturb(self, draw: random.Random, kills: int, seconds: float) -> list[str]:
        """Run it with that many kills, starting it again whenever it has ended; who was killed. Fewer where it was done
        before. seconds: what it takes when nobody disturbs it."""
        told: list[str] = []
        while len(told) < kills:
            process, pause = self.start(), START
            while len(told) < kills:
                if _ended(process, draw.uniform(0.5, pause * seconds)):
                    break
                told += self._strike(process, draw)
                pause = PAUSE
            done = process.wait(LONGEST) == 0  # one lost worker or rank is said, and what does not need it is done
            wait_until(lambda: not bearing(self.mark), seconds=60)  # whoever is left ends by itself
            if done and len(told) < kills:
                break
        return told

    def _strike(self, driver: subprocess.Popen, draw: random.Random) -> list[str]:
        """Kill the driver, all at once, or any one of them; whom. None where all have just ended."""
        running = bearing(self.mark)
        if not running:
            return []
        whom = draw.choice(["driver", "all", "one", "one", "one", "one"])
        numbers = {"driver": [driver.pid], "all": running, "one": [draw.choice(running)]}[whom]
        names = ", ".join(sorted(_name(number) for number in numbers))
        for number in numbers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        return [f"{whom}: {names}"]

    def disturb_ranks(self, draw: random.Random, kills: int) -> list[str]:
        """Train the encoder anew with that many kills of one of its ranks; who was killed."""
        told: list[str] = []
        shutil.rmtree(self.root / "data/models", ignore_errors=True)
        while len(told) < kills:
            process = self.start()
            wait_until(lambda process=process: self._ranks() or process.poll() is not None, seconds=LONGEST)
            _ended(process, draw.uniform(0, WHILE_IT_TRAINS))
            ranks = self._ranks()
            if ranks:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(draw.choice(ranks), signal.SIGKILL)
                    told.append("rank")
            done = process.wait(LONGEST) == 0
            wait_until(lambda: not bearing(self.mark), seconds=60)
            if done:  # it was over before it was struck
                shutil.rmtree(self.root / "data/models", ignore_errors=True)
        return told

    def _ranks(self) -> list[int]:
        ours = bearing(self.mark)
        return [number for number in bearing(RANK) if number in ours]

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


def _ended(process: subprocess.Popen, seconds: float) -> bool:
    """Whether it ends within so many seconds."""
    try:
        process.wait(seconds)
        return True
    except subprocess.TimeoutExpired:
        return False


def _name(number: int) -> str:
    try:
        words = Path(f"/proc/{number}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return "gone"
    helper = re.search(r"from multiprocessing\.(\w+) import", " ".join(words))
    named = [helper[1]] if helper else [word for word in words if word.startswith(("orchestration.", "chorus."))]
    return named[-1] if named else Path(words[0]).name
