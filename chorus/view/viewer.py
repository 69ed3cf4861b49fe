"""A scene in the browser, turned, clicked and asked (viser), behind a door: loopback, or a token."""

from __future__ import annotations

import contextlib
import io
import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from chorus.errors import ChorusError, InputError
from chorus.extras import extra
from chorus.heap import give_back
from chorus.listen import LOOPBACK, address, free_port
from chorus.view.ask import Answer
from chorus.view.box import Box
from chorus.view.door import Door
from chorus.view.drawn import Drawn
from chorus.view.live import LivePanel
from chorus.view.session import Clicked, Session
from chorus.view.training import RunningTraining

CLICKS = ("what is this", "find similar", "measure")
NONE_YET, REMEMBERED = "-", 20  # of the list of questions asked before
_log = logging.getLogger(__name__)


class Viewer:
    """sessions: one scene, or two that stand side by side under one camera; the words, colours and cut-offs are of
    both. folder: where exports go; token: what who looks is asked for; training: one that runs, whose newest
    checkpoint is the first scene's model."""

    def __init__(
        self,
        sessions: Sequence[Session],
        *,
        host: str = LOOPBACK[0],
        port: int | None = None,
        token: str | None = None,
        folder: Path,
        training: RunningTraining | None = None,
    ):
        self.sessions, self.folder = list(sessions), Path(folder)
        port = free_port(host, port)
        self.server, self.address = _inside(), address(host, port)
        self._lock = threading.RLock()
        self._answers: list[list[Answer]] = [[] for _ in self.sessions]
        self._clicked: tuple[int, Clicked] | None = None
        self._measured: list[np.ndarray] = []
        self._history: list[str] = []
        self._found: list = []
        self._drawn = Drawn(self.server, self.sessions)
        self.server.scene.on_click()(self._on_click)
        self._panel()
        self._live = None if training is None else self._follow(training)
        self.draw()
        self._door = Door(host, port, inside=self.server.get_port(), token=token)
        threading.Thread(target=self._told, args=(self._encode,), daemon=True).start()

    def run(self) -> None:
        """Serve until interrupted."""
        try:
            self.server.sleep_forever()
        finally:
            self.close()

    def close(self) -> None:
        """End the server."""
        if self._live is not None:
            self._live.close()
        self._door.close()
        self.server.stop()

    def _panel(self) -> None:
        gui, asks = self.server.gui, self.sessions[0].encoder is not None
        notes = [f"**{session.named.name}** · {len(session.scene):,} Gaussians" for session in self.sessions]
        gui.add_markdown("  \n".join([*notes, *filter(None, (session.thinned() for session in self.sessions))]))
        with gui.add_folder("Ask"):
            self._words = gui.add_text(
                "words", "", multiline=True, hint="a chair; something to sit on; a chair, not an armchair"
            )
            self._ask = gui.add_button("ask", icon=None)
            self._said = gui.add_markdown("" if asks else "No model: give --model to ask.")
            self._past = gui.add_dropdown("before", [NONE_YET], visible=False)
        self._results = gui.add_folder("Found", visible=False)
        with gui.add_folder("Look"):
            self._mode = gui.add_dropdown("colors", self._modes())
            self._opacity = gui.add_slider("least opacity", 0.0, 1.0, 0.05, 0.0)
            self._below = gui.add_slider("height shown", 0.1, 1.0, 0.05, 1.0)
            self._cameras = gui.add_checkbox("cameras", False, visible=self._drawn.has_cameras)
        with gui.add_folder("Click"):
            self._click = gui.add_dropdown("a click", CLICKS if asks else (CLICKS[0], CLICKS[2]))
            self._what = gui.add_markdown("Click a Gaussian.")
            self._export = gui.add_button("export the object", visible=False)
            self._hide = gui.add_button("hide the object", visible=False)
            self._unhide = gui.add_button("show all", visible=False)
        self._box = Box(
            self.server,
            self.sessions[0],
            self._drawn.offsets[0],
            export=lambda rows: self._write(self.sessions[0], "box", rows),
            hide=lambda rows: self._hide_rows(self.sessions[0], rows),
            tell=self._told,
        )
        self._ask.on_click(lambda _: self.ask(self._words.value))
        self._words.on_update(lambda _: self._typed())
        self._past.on_update(lambda _: self._asked_before())
        for control in (self._mode, self._opacity, self._below):
            control.on_update(lambda _: self.draw())
        self._cameras.on_update(lambda _: self._drawn.show_cameras(self._cameras.value))
        self._export.on_click(lambda event: self._told(lambda: self._save(event.client)))
        self._hide.on_click(lambda _: self._told(self._hide_object))
        self._unhide.on_click(lambda _: self._told(self._show_all))

    def _modes(self) -> tuple[str, ...]:
        """What either scene can be coloured by; one that cannot stays as it is."""
        return tuple(dict.fromkeys(mode for session in self.sessions for mode in session.modes))

    def _follow(self, training: RunningTraining) -> LivePanel:
        session = self.sessions[0]

        def renew(encoder) -> None:
            session.renew(encoder)
            if self._mode.value == "rgb":
                self._mode.value = "PCA"  # which draws
            else:
                self._draw()

        text = getattr(session.encoder, "text", None)
        return LivePanel(self.server, training, text=text, renew=renew, tell=self._told)

    def ask(self, words: str) -> None:
        """Answer a line of questions in every scene: a heat map and the objects."""
        self._told(lambda: self._answer(words))

    def _typed(self) -> None:
        """Enter asks."""
        if self._words.value.endswith("\n"):
            self._words.value = self._words.value.strip()
            self.ask(self._words.value)

    def _asked_before(self) -> None:
        if self._past.value != NONE_YET:
            self.ask(self._past.value)

    def draw(self) -> None:
        """Bring colours and cut-offs of what is shown up to date."""
        self._told(self._draw)

    def _encode(self) -> None:
        """Before the first question, so that it is answered at once."""
        for session in self.sessions:
            if session.encoder is not None:
                session.search  # noqa: B018  made when first read

    def _answer(self, words: str) -> None:
        start = time.perf_counter()
        self._answers = [session.ask(words) for session in self.sessions]
        seconds = time.perf_counter() - start
        if words in self._history:
            self._history.remove(words)
        self._history.insert(0, words)
        self._past.options = (NONE_YET, *self._history[:REMEMBERED])
        self._past.visible = True
        count = sum(len(answer.objects) for answers in self._answers for answer in answers)
        found = f"{count} object{'' if count == 1 else 's'}" if count else "Nothing answers"
        self._said.content = f"{found}, {seconds:.2f} s"
        self._show_answers()

    def _show_answers(self) -> None:
        self._list_objects()
        if self._mode.value == "heat":
            self._draw()
        else:
            self._mode.value = "heat"  # which draws

    def _list_objects(self) -> None:
        for button in self._found:
            button.remove()
        self._found = []
        with self._results:
            for number, answers in enumerate(self._answers):
                unit = self.sessions[number].named.unit
                for answer in answers:
                    for found in answer.objects:
                        title = f"{answer.words} · {found.score:.2f} · {_sides(found.extent)} {unit}"
                        button = self.server.gui.add_button(title)
                        place, size = found.position + self._drawn.offsets[number], float(np.linalg.norm(found.extent))
                        button.on_click(lambda event, p=place, s=size: self._drawn.fly(event.client, p, s))
                        self._found.append(button)
        self._results.visible = bool(self._found)

    def _draw(self) -> None:
        for number, session in enumerate(self.sessions):
            shown = session.shown(opacity=self._opacity.value, below=self._below.value)
            self._drawn.paint(number, session.colors(self._mode.value, self._answers[number]), shown)

    # What a click does

    def _on_click(self, event) -> None:
        self._told(lambda: self._clicked_at(np.array(event.ray_origin), np.array(event.ray_direction)))

    def _clicked_at(self, origin: np.ndarray, direction: np.ndarray) -> None:
        hits = []
        for number, session in enumerate(self.sessions):
            shown = session.shown(opacity=self._opacity.value, below=self._below.value)
            found = session.click(origin - self._drawn.offsets[number], direction, shown=shown)
            if found is not None:
                hits.append((found.hit.distance, number, found))
        if not hits:
            self._what.content = "Nothing there."
            return
        _, number, found = min(hits, key=lambda hit: hit[0])
        self._clicked = (number, found)
        self._export.visible = self._hide.visible = True
        self._drawn.mark(found.hit.position + self._drawn.offsets[number])
        if self._click.value == "measure":
            self._measure(found.hit.position + self._drawn.offsets[number], self.sessions[number].named.unit)
        elif self._click.value == "find similar":
            self._answers[number] = [self.sessions[number].similar(found.hit.row)]
            self._show_answers()
        else:
            self._what.content = _told_of(found, self.sessions[number])

    def _measure(self, place: np.ndarray, unit: str) -> None:
        self._measured = [*self._measured, place] if len(self._measured) == 1 else [place]
        if len(self._measured) == 1:
            self._what.content = "Click the other end."
            return
        ends = np.stack(self._measured)
        self._drawn.line(ends)
        self._what.content = f"**{np.linalg.norm(ends[1] - ends[0]):.2f} {unit}**"

    def _save(self, client) -> None:
        if self._clicked is None:
            return
        number, found = self._clicked
        session = self.sessions[number]
        name = found.names[0][0].replace(" ", "-") if found.names else "object"
        path = self._write(session, name, found.rows)
        if client is not None:
            client.send_file_download(path.name, path.read_bytes())

    def _write(self, session: Session, name: str, rows: np.ndarray) -> Path:
        if not len(rows):
            raise InputError("export", expected="a box that holds Gaussians", got="none", fix="Draw it larger.")
        path = _fresh(self.folder, f"{session.named.name}-{name}")
        count = session.export(path, rows)
        self._what.content = f"{path}: {count} Gaussians"
        return path

    def _hide_object(self) -> None:
        if self._clicked is not None:
            number, found = self._clicked
            self._hide_rows(self.sessions[number], found.rows)

    def _hide_rows(self, session: Session, rows: np.ndarray) -> None:
        session.hidden.update(rows.tolist())
        self._unhide.visible = True
        self._draw()

    def _show_all(self) -> None:
        for session in self.sessions:
            session.hidden.clear()
        self._unhide.visible = False
        self._draw()

    def _told(self, run: Callable[[], object]) -> None:
        """Run one request at a time; what the user can mend is said in the panel, and the server stays up."""
        with self._lock:
            try:
                run()
            except ChorusError as error:
                self._said.content = f"**{error}**"
            except Exception as error:  # a defect must not end the server for all who look
                _log.exception("viewer")
                self._said.content = f"**defect: {type(error).__name__}: {error}**"
            finally:
                give_back()  # arrays of a large scene that an answer was made of


def _inside():
    """viser, on loopback at a port of its choice. Nobody can have it open a tunnel to its makers' server, which every
    page of it could otherwise ask for, and which would lead past the door."""
    with extra("view"):
        import viser

    class Server(viser.ViserServer):
        def request_share_url(self, verbose: bool = True) -> None:
            return None

    with contextlib.redirect_stdout(io.StringIO()):  # its banner; the address is said by who asked for a viewer
        server = Server(host=LOOPBACK[0], port=0, label="Chorus", verbose=False)
    server.gui.configure_theme(show_share_button=False)
    return server


def _told_of(found: Clicked, session: Session) -> str:
    """What was clicked, as Markdown."""
    where = " ".join(f"{x:.2f}" for x in session.scene.frame.to_file(found.hit.position))
    lines = [f"at {where}"]
    if found.names:
        first, *rest = found.names
        lines.insert(0, f"**{first[0]}** {first[1]:.0%} · " + ", ".join(f"{name} {share:.0%}" for name, share in rest))
    if len(found.rows) > 1:
        lines.append(f"object of {len(found.rows):,} Gaussians, {_sides(found.extent)} {session.named.unit}")
    return "  \n".join(lines)


def _sides(extent: np.ndarray) -> str:
    return " x ".join(f"{x:.2f}" for x in extent)


def _fresh(folder: Path, stem: str) -> Path:
    """A .ply that is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    number = 1
    while (path := folder / f"{stem}-{number}.ply").exists():
        number += 1
    return path
