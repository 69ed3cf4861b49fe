"""An operator's day in a browser, on real servers: docs/operate.md tells it with the pictures that are taken here.

    CHORUS_PICTURES=docs/operate python -m pytest -m slow tests/browser/test_day.py

makes the pictures anew, of rooms of the homes that ``make demo`` fetched into data/homes, or of those in CHORUS_HOMES.
CHORUS_DAY names the folder to do it in, whose path the pictures show: a new one, or one in which the chain has run.
"""

import io
import json
import os
import signal
from pathlib import Path

import pytest
from PIL import Image

from chorus.store import Store
from orchestration.tracking import registration, trainings
from tests.browser.day import HOMES, NEW, ROOMS, Day
from tests.pipeline.processes import wait_until
from tests.pipeline.test_backfill import PARTITIONS, STATE
from tests.pipeline.test_ui import Interfaces

pytestmark = pytest.mark.slow
PICTURES = os.environ.get("CHORUS_PICTURES")
PATIENCE = 900.0  # seconds for the longest run
MLFLOW_WIDTH = 950  # its assistant stands to the right
MORE, FEW = 60, 6  # steps of a training that learns something, and of one that does not
RUNS = """{ runsOrError(limit: 200) { ... on Runs { results {
    runId status jobName assetSelection { path } tags { key value }
} } } }"""
ANSWER = "partitionBackfillOrError"
MARGIN = 16  # pixels
END_OF = """text => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = document.createRange();
    while (texts.nextNode()) {
        const at = texts.currentNode.data.indexOf(text);
        if (at < 0) continue;
        found.setStart(texts.currentNode, at);
        found.setEnd(texts.currentNode, at + text.length);
        const {top, bottom} = found.getBoundingClientRect();
        if (top > 0 && bottom < innerHeight) return bottom;
    }
}"""


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """A workspace in which the chain has run once, after a training of few steps, whose model is the champion."""
    if not (HOMES / "packages").is_dir():
        pytest.skip("no homes here: make demo fetches them, and CHORUS_HOMES names another folder of them")
    given = os.environ.get("CHORUS_DAY")
    day = Day(Path(given) if given else tmp_path_factory.mktemp("day"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in day.environment.items():
            patch.setenv(name, value)
        if not (day.root / "params.yaml").exists():
            day.lay_out()
            done = day.command("-m", "orchestration.materialize", "--all", "--jobs", "2")
            assert done.returncode == 0, done.stderr
        promoted(day)
        yield day


class Screen:
    """A page, the servers it looks at, and pictures of it."""

    def __init__(self, page, interfaces: Interfaces):
        self.page, self.interfaces = page, interfaces
        self.dagster, self.mlflow = (f"http://127.0.0.1:{port}" for port in interfaces.ports)

    def picture(self, name: str, *, width: int = 1280, height: int = 800) -> None:
        """Kept as docs/operate has them: few colors, for they are of buttons and text. width, height: of what is shown,
        from the upper left."""
        self.page.wait_for_timeout(1500)
        shot = self.page.screenshot(clip={"x": 0, "y": 0, "width": width, "height": height})
        shown = Image.open(io.BytesIO(shot)).convert("RGB")
        assert len(shown.getcolors(shown.width * shown.height)) > 20, "an empty page"
        if PICTURES:
            path = Path(PICTURES) / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            shown.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)

    def asset(self, stage: str, **query: str) -> None:
        """The page of an asset."""
        said = "&".join(f"{name}={value}" for name, value in query.items())
        self.page.goto(f"{self.dagster}/assets/{stage}?{said}")

    def says(self, *texts: str) -> None:
        """Wait until all of these stand on the page."""
        for text in texts:
            self.page.get_by_text(text).first.wait_for()

    def end_of(self, text: str) -> int:
        """Where a text ends that is seen, from the upper edge of the page."""
        self.page.wait_for_timeout(1500)  # a list of events scrolls by itself to those that come in
        return int(self.page.evaluate(END_OF, text)) + MARGIN

    def runs(self, partition: str | None = None) -> list[dict]:
        """The newest first; of one partition where it is named."""
        found = self.interfaces.ask(RUNS)["runsOrError"]["results"]
        for run in found:
            run["tags"] = {tag["key"]: tag["value"] for tag in run["tags"]}
        return [run for run in found if partition in (None, run["tags"].get("dagster/partition"))]

    def ended(self, partition: str | None, before: int, status: str) -> dict:
        """The newest run, once there are more than before and it has ended so."""

        wait_until(lambda: len(self.runs(partition)) > before, seconds=PATIENCE)
        self.page.goto("about:blank")  # which draws nothing meanwhile
        wait_until(lambda: self.runs(partition)[0]["status"] in ("SUCCESS", "FAILURE"), seconds=PATIENCE)
        run = self.runs(partition)[0]
        assert run["status"] == status, (run, "the interface", self.interfaces.process.poll())
        return run

    def partitions(self, stage: str) -> dict[str, list[str]]:
        """Those made, and those that failed."""
        shown = self.interfaces.ask(PARTITIONS, key={"path": stage.split("/")})["assetNodeOrError"]
        return shown["assetPartitionStatuses"]


@pytest.fixture
def screen(day, browser):
    interfaces = Interfaces(day.root)
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(90_000)
    yield Screen(page, interfaces)
    page.close()
    interfaces.process.send_signal(signal.SIGTERM)
    interfaces.process.wait(60)


def test_the_day(day, screen):
    """One test: each step begins where the one before ended."""
    photos_become_a_scene(day, screen)
    a_bad_folder_stops_nobody_and_is_mended(day, screen)
    new_rooms_are_backfilled(day, screen)
    the_encoder_is_trained_anew_from_the_ui(day, screen)
    a_better_model_is_promoted(day)
    a_worse_one_is_refused(day, screen)
    a_promotion_is_rolled_back(day, screen)


def photos_become_a_scene(day, screen):
    before = len(screen.runs("guest-room"))
    day.drop("guest-room")
    screen.ended("guest-room", before, "SUCCESS")
    screen.asset("scenes/capture", view="partitions", partition="guest-room")
    screen.says("Materialized", "thumbnail")
    screen.page.get_by_text("[Show Markdown]").first.click()
    sheet = screen.page.get_by_role("dialog").locator("img")
    sheet.wait_for()
    assert sheet.evaluate("image => image.naturalWidth") > 300
    screen.picture("1-photos", height=520)
    screen.asset("scenes/targets", view="partitions", partition="guest-room")
    screen.says("teachers", "cosine_p01", "lang")
    screen.picture("1-targets", height=650)
    screen.asset("scenes/gaussians", view="checks", checkDetail="likeness")
    screen.says("likeness", "Passed", "expectations met")
    screen.picture("1-checks")
    asked = day.command("-m", "chorus", "query", "guest-room", "a bed")
    assert asked.returncode == 0 and "a bed" in asked.stdout, asked.stderr


def a_bad_folder_stops_nobody_and_is_mended(day, screen):
    before, others = len(screen.runs("hall")), len(screen.runs("guest-room"))
    day.drop("hall", overexposed=True)
    run = screen.ended("hall", before, "FAILURE")
    screen.asset("scenes/capture", view="partitions", partition="hall")
    screen.says("failed, and did not materialize this asset")
    assert screen.partitions("scenes/capture")["failedPartitions"] == ["hall"]
    screen.picture("2-failed")
    wait_until(lambda: run["runId"] in told(day), seconds=120)
    line = told(day)[run["runId"]]
    assert line["scene"] == "hall" and "expected views neither black nor white, got brightness 255" in line["reason"]
    screen.page.goto(f"{screen.dagster}/runs/{run['runId']}")
    screen.says("views neither black nor white")
    screen.picture("2-reason", height=screen.end_of(line["reason"][-12:]))  # without the stack below it
    day.drop("hall")
    screen.ended("hall", before + 1, "SUCCESS")
    assert screen.partitions("scenes/targets")["failedPartitions"] == []
    assert len(screen.runs("guest-room")) == others, "nothing else ran again"


def new_rooms_are_backfilled(day, screen):
    day.list_rooms({**ROOMS, **NEW})
    wait_until(lambda: set(NEW) <= listed(screen), seconds=120)
    before = len(screen.runs())
    screen.page.goto(f"{screen.dagster}/locations/orchestration.definitions/asset-groups/scenes")
    screen.page.get_by_role("button", name="Materialize all").first.click()
    dialog = screen.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Missing", exact=True).click()
    dialog.get_by_text(f"{len(NEW)} partitions").first.wait_for()
    screen.picture("3-backfill")
    dialog.get_by_role("button", name="Launch backfill").click()
    run = screen.ended(None, before, "SUCCESS")
    assert len(screen.runs()) == before + 1, "one run for both"
    wait_until(lambda: set(NEW) <= set(screen.partitions("scenes/targets")["materializedPartitions"]), seconds=60)
    backfill = run["tags"]["dagster/backfill"]
    wait_until(lambda: screen.interfaces.ask(STATE, id=backfill)[ANSWER]["status"] == "COMPLETED_SUCCESS", seconds=120)
    screen.page.goto(f"{screen.dagster}/runs/b/{backfill}")
    screen.says("100% completed")
    screen.picture("3-backfilled", height=520)
    screen.asset("models/encoder")
    screen.says("Unsynced")
    screen.picture("3-stale", height=540)


def the_encoder_is_trained_anew_from_the_ui(day, screen):
    day.set(distill={"steps": MORE})
    trained(screen)
    assert registration.aliases(Store(day.root))["challenger"] == 2
    screen.asset("registry/chorus_encoder")
    screen.says("aliases", "mlflow_version", "challenger")
    screen.picture("4-registered")
    challenger = trainings.client(Store(day.root)).get_model_version(trainings.MODEL, "2")
    version(screen, 2)
    screen.says("challenger", "It was distilled from")
    screen.picture("4-version", width=MLFLOW_WIDTH)
    experiment = trainings.client(Store(day.root)).get_run(challenger.run_id).info.experiment_id
    screen.page.goto(f"{screen.mlflow}/#/experiments/{experiment}/runs/{challenger.run_id}")
    screen.says("Datasets", "gaussians (", "chorus_encoder")
    screen.picture("4-run", width=MLFLOW_WIDTH)


def a_better_model_is_promoted(day):
    first, second = (figure(day, number) for number in (1, 2))
    assert second > first, "a longer training is to be a better one here"
    assert f"{second:.2f}, was {first:.2f}" in promoted(day)


def a_worse_one_is_refused(day, screen):
    day.set(distill={"steps": FEW})
    trained(screen)
    second, worse = figure(day, 2), figure(day, 3)
    refused = day.command(str(MLFLOW / "promote.py"))
    assert refused.returncode == 2 and f"of at least {second:.2f}, got {worse:.2f}" in refused.stderr
    screen.page.goto(f"{screen.mlflow}/#/models/{trainings.MODEL}")
    screen.says("champion", "previous", "challenger")
    screen.picture("5-versions", width=MLFLOW_WIDTH)
    version(screen, 3)
    screen.says("refused:")
    screen.page.get_by_text("refused:").first.scroll_into_view_if_needed()
    screen.picture("5-refused", width=MLFLOW_WIDTH)


def a_promotion_is_rolled_back(day, screen):
    assert "rolled back from version 2" in promoted(day, "--rollback")
    assert registration.aliases(Store(day.root)) == {"challenger": 3, "champion": 1, "previous": 2}
    screen.asset("registry/chorus_encoder", view="events")
    screen.says("rolled back from version 2")
    screen.picture("5-rolled-back")


MLFLOW = Path(__file__).parents[2] / "mlflow"


def promoted(day: Day, *options: str) -> str:
    """What promote.py says."""
    done = day.command(str(MLFLOW / "promote.py"), *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def told(day: Day) -> dict[str, dict]:
    """Run -> the line that tells of its failure."""
    path = day.root / ".state" / "failures.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return {line["run"]: line for line in map(json.loads, lines)}


def figure(day: Day, number: int) -> float:
    """The figure that decides, of a version."""
    tags = trainings.client(Store(day.root)).get_model_version(trainings.MODEL, str(number)).tags
    return float(tags["validation.student.f_miou"])


def listed(screen: Screen) -> set[str]:
    """All scenes that are partitions."""
    asked = screen.interfaces.ask(
        '{ assetNodeOrError(assetKey: {path: ["scenes", "capture"]}) { ... on AssetNode { partitionKeys } } }'
    )
    return set(asked["assetNodeOrError"]["partitionKeys"])


def trained(screen: Screen) -> None:
    """What learns, judges and registers is materialized by the button of its job."""
    before = len(screen.runs())
    screen.page.goto(f"{screen.dagster}/locations/orchestration.definitions/jobs/retrain")
    screen.page.get_by_role("button", name="Materialize all").first.click()
    screen.ended(None, before, "SUCCESS")


def version(screen: Screen, number: int) -> None:
    """The page of a version in MLflow."""
    screen.page.goto(f"{screen.mlflow}/#/models/{trainings.MODEL}/versions/{number}")
