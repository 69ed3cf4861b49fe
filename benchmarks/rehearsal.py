"""A rehearsal with very many scenes and next to no work: what Dagster and the machinery around it cost a scene, and
what they do when they are killed in the middle.

python -m benchmarks.rehearsal run FOLDER [--scenes 10000] [--jobs 1]

Lays out an empty workspace in FOLDER and makes every scene's capture and Gaussians, a few kilobytes each, through
``orchestration.materialize``; kills it half way by SIGKILL, lets it go on, and asks the interface for its status.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tyro

ROOT = Path(__file__).parents[1]
PARTS = ("capture", "gaussians")
QUERIES = {
    "how far every stage is": "{ assetNodes { assetKey { path } partitionStats { numMaterialized numFailed } } }",
    "the newest 25 runs": "{ runsOrError(limit: 25) { ... on Runs { results { runId status tags { key value } } } } }",
    "which partitions each stage has": """{ assetNodes { assetPartitionStatuses {
        ... on DefaultPartitionStatuses { materializedPartitions unmaterializedPartitions } } } }""",
    "what became of one scene": """{ assetNodeOrError(assetKey: {path: ["scenes", "gaussians"]}) { ... on AssetNode {
        assetMaterializations(partitions: ["room-00000"], limit: 5) { runId timestamp } } } }""",
}
READY = "{ version }"


def run(folder: tyro.conf.Positional[Path], scenes: int = 10_000, jobs: int = 1) -> None:
    """The whole rehearsal, in a folder that is empty or absent; figures on the screen and in FOLDER/rehearsal.json."""
    lay_out(folder, scenes)
    first = work(folder, jobs, until=max(1, scenes // 2))
    second = work(folder, jobs)
    told = {
        "scenes": scenes,
        "jobs": jobs,
        "CPU seconds a scene, first half": first["seconds"] / first["made"],
        "CPU seconds a scene, second half": second["seconds"] / second["made"],
        "of which the stubs": second["stubs"] / second["made"] if jobs == 1 else None,
        "CPU seconds from the new start to the first scene": second["first"],
        "wall seconds": first["wall"] + second["wall"],
        "scenes made twice": first["made"] + second["made"] - scenes,
        "runs left unfinished": second["unfinished"],
        "kB of databases a scene": size(folder / ".state/dagster") / scenes / 1e3,
        "files of databases": sum(1 for path in (folder / ".state/dagster").rglob("*") if path.is_file()),
        "status": status(folder),
    }
    (folder / "rehearsal.json").write_text(json.dumps(told, indent=1) + "\n")
    print(json.dumps(told, indent=1))


def lay_out(folder: Path, scenes: int) -> None:
    """A project folder that lists so many rooms."""
    (folder / "data").mkdir(parents=True)
    shutil.copyfile(ROOT / "params.yaml", folder / "params.yaml")
    rooms = "".join(f"  - {{id: room-{number:05d}, home: none, room: 0}}\n" for number in range(scenes))
    (folder / "data/scenes.yaml").write_text(f"scenes:\n{rooms}")


def work(folder: Path, jobs: int, *, until: int | None = None) -> dict[str, float]:
    """Materialize every scene in a process of its own, or until so many are made, when it is killed. seconds: of
    processor time, from the first scene it finished on; first: to there; made: scenes it finished; stubs: seconds the
    stubs took."""
    before, start = made(folder), time.monotonic()
    command = [sys.executable, "-m", "benchmarks.rehearsal", "scenes", "--jobs", str(jobs)]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    env = {**environment(folder), "PYTHONPATH": path}
    with open(folder / "log.txt", "a") as log:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log, start_new_session=True)
    first = spent = 0.0
    while process.poll() is None:
        time.sleep(0.1)
        count, spent = made(folder), max(spent, processor_seconds(process.pid))
        if count > before and not first:
            first = spent
        if until is not None and count >= until:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode not in (0, -signal.SIGKILL):
        raise SystemExit(f"rehearsal: it ended with {process.returncode}; see {folder / 'log.txt'}")
    told = {"seconds": spent - first, "first": first, "made": made(folder) - before, "wall": time.monotonic() - start}
    return told | (json.loads((folder / "stubs.json").read_text()) if until is None else {})


def processor_seconds(session: int) -> float:
    """Of every process of a session that runs now."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[3]) == session:
            total += int(words[11]) + int(words[12])
    return total / os.sysconf("SC_CLK_TCK")


def made(folder: Path) -> int:
    """Scenes that have Gaussians."""
    place = folder / "data/gaussians"
    return sum(1 for entry in os.scandir(place) if not entry.name.startswith(".")) if place.is_dir() else 0


def size(folder: Path) -> int:
    """Bytes of all files below."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def environment(folder: Path) -> dict[str, str]:
    own = {"CHORUS_ROOT": str(folder.resolve()), "CHORUS_PARAMS": "", "DAGSTER_HOME": "", "MLFLOW_TRACKING_URI": ""}
    return {**os.environ, **own, "OMP_NUM_THREADS": "1"}


def scenes(jobs: int = 1) -> None:
    """Of ``run``: materialize in this process, with stubs in the place of work."""
    from orchestration import materialize
    from orchestration.recipes import catalog
    from orchestration.run import history, workers

    install()
    workers.begin_worker = begin_worker
    catalog.PHASES = catalog.PHASES[:1]
    code = materialize.main(["--all", "--jobs", str(jobs)])
    unfinished = sum(
        run.status.value in ("STARTED", "STARTING", "NOT_STARTED") for run in history.instance().get_runs()
    )
    Path("stubs.json").write_text(json.dumps({"stubs": sum(SPENT), "unfinished": unfinished}))
    sys.exit(code)


def begin_worker() -> None:
    """In a new worker."""
    from chorus.train import processes

    processes.begin_worker()
    install()


SPENT: list[float] = []  # seconds of each stub


@contextmanager
def spent() -> Iterator[None]:
    start = time.process_time()
    yield
    SPENT.append(time.process_time() - start)


def install() -> None:
    """Put stubs in the place of the recipes of captures and Gaussians."""
    from chorus.recipes import scenes as recipes
    from chorus.stages import CAPTURE, GAUSSIANS
    from orchestration.recipes import catalog

    for stage, stub in ((CAPTURE, capture), (GAUSSIANS, gaussians)):
        setattr(recipes, stage.split("/")[1], stub)
        catalog.ASSETS[stage] = stub


def capture(workspace, scene: str):
    """A recipe of eight small views of a wall."""
    from chorus.recipes.recipe import Recipe
    from chorus.stages import CAPTURE

    def make(out: Path) -> None:
        with spent():
            _wall(int(scene.rpartition("-")[2])).save(out)

    return Recipe(store=workspace.store, stage=CAPTURE, scene=scene, make=make, params={"scene": scene})


def gaussians(workspace, scene: str):
    """A recipe of figures that pass."""
    from chorus.recipes.recipe import Recipe, hash_of
    from chorus.stages import CAPTURE, GAUSSIANS

    def make(out: Path) -> None:
        with spent():
            figures = {"psnr_blind_heldout": 25.0, "ssim_heldout": 0.9, "gaussians": 500}
            (out / "metrics.json").write_text(json.dumps(figures))

    inputs = {"capture": hash_of(workspace.store, CAPTURE, scene)}
    return Recipe(store=workspace.store, stage=GAUSSIANS, scene=scene, make=make, params={}, inputs=inputs)


def _wall(seed: int):
    from chorus.cameras import Cameras
    from chorus.capture import Capture

    poses = np.tile(np.eye(4), (8, 1, 1))
    poses[:, 0, 3] = np.arange(8) * 0.05
    K = np.tile([[30.0, 0, 16], [0, 30.0, 12], [0, 0, 1]], (8, 1, 1))
    semantic = np.ones((8, 24, 32), np.uint8)
    for row, kind in enumerate((2, 3, 4)):
        semantic[:, 6 * row : 6 * row + 6] = kind
    return Capture(
        images=np.random.default_rng(seed).integers(40, 200, (8, 24, 32, 3), dtype=np.uint8),
        cameras=Cameras(K=K, cam_from_world=poses, width=32, height=24),
        depth=np.full((8, 24, 32), 2.0, np.float32),
        semantic=semantic,
        class_names=("unlabelled", "wall", "floor", "door", "table"),
    )


def status(folder: Path, repeats: int = 3) -> dict[str, dict[str, float]]:
    """Seconds until Dagster's interface answers each question: the first time, when it has yet to count what came since
    a page was last open, and the longest of some times later."""
    from chorus.listen import free_port

    port = free_port("127.0.0.1", None)
    home = {"DAGSTER_HOME": str((folder / ".state/dagster").resolve()), "PYTHONPATH": str(ROOT)}
    command = [str(Path(sys.executable).with_name("dagster-webserver")), "-m", "orchestration.definitions"]
    with open(folder / "webserver.txt", "w") as log:
        env = {**environment(folder), **home}
        server = subprocess.Popen([*command, "-h", "127.0.0.1", "-p", str(port)], env=env, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 300
        while time.monotonic() < until and not _answers(port):
            time.sleep(0.5)
        answers = {name: [_seconds(port, query) for _ in range(1 + repeats)] for name, query in QUERIES.items()}
        return {name: {"first": first, "later": max(later)} for name, (first, *later) in answers.items()}
    finally:
        server.terminate()
        server.wait(30)


def _answers(port: int) -> bool:
    try:
        return _seconds(port, READY) >= 0
    except OSError:
        return False


def _seconds(port: int, query: str) -> float:
    body, start = json.dumps({"query": query}).encode(), time.perf_counter()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/graphql", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=300) as answer:
        said = json.load(answer)
    if "errors" in said:
        raise SystemExit(f"rehearsal: {query}: {said['errors'][0]['message']}")
    return time.perf_counter() - start


if __name__ == "__main__":
    tyro.extras.subcommand_cli_from_dict({"run": run, "scenes": scenes})
