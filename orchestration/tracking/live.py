"""MLflow while a training runs: its live figures, read from the state folder as they are written."""

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from chorus.errors import Preempted
from chorus.params import Params
from chorus.store import Store
from chorus.train.live import Follower
from orchestration.tracking import trainings

EVERY = 2.0  # seconds between two looks
KILLED, FAILED = "KILLED", "FAILED"


@contextmanager
def followed(
    store: Store, params: Params, names: Mapping[str, Path], parents: Mapping[str, str] | None = None
) -> Iterator[dict[str, str]]:
    """While this lasts, the curves of these trainings (name -> folder of the checkpoint) go to MLflow as they are made.
    parents: name -> the run its own is nested in.

    Yields name -> id of its run, filled as runs begin: of those that end well, for ``trainings.log_training`` to
    finish. A training that goes on from a checkpoint goes on in its run. Where MLflow fails, a warning says so and the
    training is left alone.
    """
    runs: dict[str, str] = {}
    follow = _Follow(store, params, names, runs, parents or {})
    follow.start()
    try:
        yield runs
    except BaseException as error:
        follow.end()
        for run in runs.values():
            trainings.client(store).set_terminated(run, KILLED if isinstance(error.__cause__, Preempted) else FAILED)
        raise
    follow.end()


class _Follow(threading.Thread):
    def __init__(
        self, store: Store, params: Params, names: Mapping[str, Path], runs: dict[str, str], parents: Mapping[str, str]
    ):
        super().__init__(daemon=True)
        self._parents = parents
        self._store, self._params, self._runs = store, params, runs
        self._followers = {name: Follower(folder, since=time.time()) for name, folder in names.items()}
        self._logged = dict.fromkeys(names, 0)  # the last step MLflow has
        self._over = threading.Event()

    def run(self) -> None:
        try:
            while not self._over.wait(EVERY):
                self._look()
            self._look()
        except Exception as error:  # whatever MLflow and its store may raise
            logging.getLogger(__name__).warning("MLflow does not follow the training: %s", error)

    def end(self) -> None:
        """What was written until now is logged when this returns."""
        self._over.set()
        self.join()

    def _look(self) -> None:
        for name, follower in self._followers.items():
            rows = follower.new()
            if follower.head is None:
                continue
            if name not in self._runs:
                self._runs[name], self._logged[name] = trainings.begin(
                    self._store, self._params, name=name, training=follower.head["run"], parent=self._parents.get(name)
                )
            new = [row for row in rows if row["step"] > self._logged[name]]
            trainings.log_rows(self._store, self._runs[name], new)
            self._logged[name] = max((row["step"] for row in new), default=self._logged[name])
