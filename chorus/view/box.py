"""A box drawn by hand in the viewer: what lies inside is exported or hidden."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chorus.view import render
from chorus.view.session import Session

STEP = 0.01  # m, of a slider


class Box:
    """server: viser's; export, hide: told the rows inside; tell: runs one request at a time. It is of one scene, whose
    place in the view is the offset [3] m."""

    def __init__(
        self,
        server,
        session: Session,
        offset: np.ndarray,
        *,
        export: Callable[[np.ndarray], object],
        hide: Callable[[np.ndarray], object],
        tell: Callable[[Callable[[], object]], None],
    ):
        self.server, self.session, self.offset = server, session, offset
        low, high = render.bounds(session.scene)
        low, high = (np.round(edge(at / STEP) * STEP, 2) for edge, at in ((np.floor, low), (np.ceil, high)))
        gui = server.gui
        with gui.add_folder("Box", expand_by_default=False):
            self._on = gui.add_checkbox("draw a box", False)
            self._sides = [
                gui.add_multi_slider(name, float(a), float(b), STEP, (float(a), float(b)))
                for name, a, b in zip("xyz", low, high, strict=True)
            ]
            self._count = gui.add_markdown("")
            self._export = gui.add_button("export the box")
            self._hide = gui.add_button("hide the box")
        self._drawn = None
        for control in (self._on, *self._sides):
            control.on_update(lambda _: tell(self.draw))
        self._export.on_click(lambda _: tell(lambda: export(self.rows())))
        self._hide.on_click(lambda _: tell(lambda: (hide(self.rows()), self.draw())))
        self.draw()

    def corners(self) -> tuple[np.ndarray, np.ndarray]:
        """Low and high [3] m, in the scene's coordinates."""
        low, high = np.array([side.value for side in self._sides]).T
        return low, high

    def rows(self) -> np.ndarray:
        """[R] Gaussians inside."""
        return self.session.inside(*self.corners())

    def draw(self) -> None:
        """The box's edges, and how many are inside."""
        on = self._on.value
        for control in (*self._sides, self._count, self._export, self._hide):
            control.visible = on
        if self._drawn is not None:
            self._drawn.remove()
            self._drawn = None
        if on:
            low, high = self.corners()
            self._count.content = f"{len(self.rows()):,} Gaussians inside"
            self._drawn = self.server.scene.add_box(
                "/box",
                dimensions=tuple(np.maximum(high - low, 1e-3)),
                position=tuple((low + high) / 2 + self.offset),
                color=(255, 80, 40),
                wireframe=True,
            )
