"""A run that fails leaves a line and calls a webhook; what is transient is tried again, what is not is not."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import dagster as dg
import pytest

from orchestration import workspace as resources
from orchestration.defs.failures import sensors
from orchestration.materialize import main
from orchestration.run import history
from tests.pipeline import fakes


@pytest.fixture
def hook(monkeypatch):
    """A server that keeps what it is told."""
    told = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv(sensors.WEBHOOK, f"http://127.0.0.1:{server.server_port}/")
    yield told
    server.shutdown()
    server.server_close()


def failed_run() -> dg.RunFailureSensorContext:
    """The context Dagster gives the sensor for the last run, which failed."""
    instance = history.instance()
    run = next(iter(instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]), limit=1)))
    events = [entry.dagster_event for entry in instance.all_logs(run.run_id) if entry.dagster_event]
    event = next(event for event in events if event.event_type is dg.DagsterEventType.RUN_FAILURE)
    return dg.build_run_status_sensor_context(
        sensor_name="failures", dagster_event=event, dagster_instance=instance, dagster_run=run
    ).for_run_failure()


def lines(root) -> list[dict]:
    return [json.loads(line) for line in (root / ".state" / "failures.jsonl").read_text().splitlines()]


def test_a_failure_is_a_line_and_a_call(workspace, monkeypatch, hook):
    fakes.install(monkeypatch, broken={"room-b": fakes.no_such_home()})
    assert main(["--all", "room-b", "--jobs", "1"]) == 2
    sensors.failures(failed_run())
    (line,) = lines(workspace)
    assert line["scene"] == "room-b" and line["step"] == "scenes/capture"
    assert line["reason"] == "home.xml: expected a home, got nothing. Fetch it."
    assert line["assets"] == ["scenes/capture", "scenes/gaussians"] and hook == [line]


def test_a_failed_check_is_told_with_what_it_expected_and_got(workspace, monkeypatch):
    fakes.install(monkeypatch, psnr={"room-b": 3.0})
    assert main(["--all", "room-b", "--jobs", "1"]) == 2
    told = sensors.about(failed_run())
    said = "scenes/gaussians: check likeness failed: expected psnr_blind_heldout at least 18, got 3"
    assert told["reason"].startswith(said) and told["assets"] == ["scenes/capture", "scenes/gaussians"]


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/", "file:///etc/passwd", "nonsense"])
def test_a_webhook_nobody_answers_loses_nothing(workspace, monkeypatch, address):
    monkeypatch.setenv(sensors.WEBHOOK, address)
    fakes.install(monkeypatch, broken={"room-b": ZeroDivisionError("division by\nzero")})
    assert main(["scenes/capture", "room-b", "--jobs", "1"]) == 1
    sensors.failures(failed_run())
    assert "division by zero" in lines(workspace)[0]["reason"]


class Away:
    """Raised as often as it is told to, then no more."""

    def __init__(self, monkeypatch, error: Exception, times: int):
        self.left, self.error = times, error
        real = resources.Recipe.run

        def run(recipe, **options):
            if self.left:
                self.left -= 1
                raise self.error
            return real(recipe, **options)

        monkeypatch.setattr(resources.Recipe, "run", run)
        monkeypatch.setattr(resources, "WAITS", (0.01, 0.01, 0.01))


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [ConnectionResetError("reset"), TimeoutError("late"), caused(fakes.no_such_home(), ConnectionError("away"))],
)
def test_what_is_transient_is_tried_again(workspace, monkeypatch, error):
    fakes.install(monkeypatch)
    away = Away(monkeypatch, error, times=2)
    assert main(["scenes/capture", "room-a", "--jobs", "1"]) == 0 and away.left == 0


@pytest.mark.parametrize(
    ("error", "times", "code"),
    [(ConnectionError("away"), 9, 1), (ZeroDivisionError("zero"), 1, 1), (fakes.no_such_home(), 1, 2)],
)
def test_what_stays_away_or_is_no_accident_fails(workspace, monkeypatch, capsys, error, times, code):
    fakes.install(monkeypatch)
    away = Away(monkeypatch, error, times=times)
    assert main(["scenes/capture", "room-a", "--jobs", "1"]) == code
    assert away.left == (9 - 4 if times == 9 else 0)
    assert " ".join(str(error).split()) in capsys.readouterr().err
