"""The panel of a training that runs: its loss curve, and the room in the eyes of its newest checkpoint."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from chorus.view.training import RunningTraining

EVERY = 2.0  # s between two looks
COLORS = {"loss": "#333333", "lang": "#1f77b4", "dino": "#2ca02c", "object": "#d62728"}


class LivePanel:
    """server: viser's; renew: told each new encoder; tell: runs one request at a time. It looks in a thread of its own
    until :meth:`close`."""

    def __init__(
        self,
        server,
        training: RunningTraining,
        *,
        text,
        renew: Callable[[object], None],
        tell: Callable[[Callable[[], object]], None],
    ):
        self.server, self.training, self._text, self._renew = server, training, text, renew
        self._plot, self._step = None, None
        with server.gui.add_folder("Training") as self._folder:
            self._said = server.gui.add_markdown(training.said())
        self._ended = threading.Event()
        threading.Thread(target=self._follow, args=(tell,), daemon=True).start()

    def close(self) -> None:
        """End the thread."""
        self._ended.set()

    def look(self) -> None:
        """Bring the curve and the model up to date."""
        if self.training.more() or self._plot is None:
            self._draw()
        found = self.training.newest(self._text)
        if found is not None:
            encoder, step = found
            self._renew(encoder)
            self._step = step
        shown = "" if self._step is None else f"; the room is seen as of step {self._step:,}"
        self._said.content = self.training.said() + shown

    def _follow(self, tell: Callable[[Callable[[], object]], None]) -> None:
        while not self._ended.wait(EVERY):
            tell(self.look)

    def _draw(self) -> None:
        from viser import uplot

        rows = [row for row in self.training.rows if "loss" in row]
        if len(rows) < 2:
            return
        names = [name for name in COLORS if any(name in row for row in rows)]
        data = [np.array([row["step"] for row in rows], np.float64)]
        data += [np.array([row.get(name, np.nan) for row in rows], np.float64) for name in names]
        if self._plot is not None:
            self._plot.data = tuple(data)
            return
        series = [uplot.Series(label="step"), *(uplot.Series(label=n, stroke=COLORS[n], width=2) for n in names)]
        with self._folder:
            self._plot = self.server.gui.add_uplot(
                tuple(data),
                tuple(series),
                title=f"{self.training.name}: loss",
                aspect=1.4,
                scales={"x": uplot.Scale(time=False)},
            )
