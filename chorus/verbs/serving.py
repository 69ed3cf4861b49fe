"""Verbs that show a scene to people and programs: the viewer, its page, the server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from chorus.errors import InputError
from chorus.listen import LOOPBACK, token_for
from chorus.verbs import opened
from chorus.verbs.options import UNSAID, USUAL, Asked, FrameOptions, Host, ModelOptions, Port, Scene, TokenFile


def view(
    scene: Scene,
    *,
    asked: ModelOptions = USUAL,
    beside: Annotated[
        str | None, tyro.conf.arg(help="a second scene, or the folder of a second model, to stand beside the first")
    ] = None,
    host: Host = None,
    port: Port = None,
    token_file: TokenFile = None,
    exports: Annotated[
        Path | None, tyro.conf.arg(help="folder of what is exported; the working directory when absent")
    ] = None,
    static: Annotated[
        Path | None, tyro.conf.arg(metavar="OUT.html", help="write one page that needs no server instead of serving")
    ] = None,
    words: Annotated[
        Path | None, tyro.conf.arg(help="a text file, a line each: more words for the page to answer")
    ] = None,
    training: Annotated[
        Literal["splats", "points"] | None,
        tyro.conf.arg(
            help="follow a training of this workspace that runs: its curve, and what its newest checkpoint sees"
        ),
    ] = None,
    frame: FrameOptions = UNSAID,
) -> None:
    """Look at a scene in the browser, click it and ask it; Ctrl-C ends it. --static writes one file to mail instead:
    it opens anywhere, and answers the words it holds without a network."""
    from chorus.view.reference import Reference, Rows, teacher_of
    from chorus.view.session import Session
    from chorus.view.training import RunningTraining

    if words is not None and static is None:
        raise InputError("--words", expected="--static", got="a viewer, which answers any words")
    listening = {"--host": host, "--port": port, "--token-file": token_file}
    served = {"--beside": beside, **listening, "--exports": exports, "--training": training}
    given = [name for name, value in served.items() if value is not None]
    if static is not None and given:
        raise InputError("--static", expected="a page of one scene, which no server shows", got=", ".join(given))
    host = host or LOOPBACK[0]
    token = None if static is not None else token_for(host, token_file)
    own = [] if words is None else _lines(words)
    named, store = opened.scene(scene, frame), opened.workspace().store
    following = None if training is None else RunningTraining(store.training(training), training)
    lifted = teacher_of(store, named.name) if scene in store.scenes_with("gaussians") else None
    sessions = [Session(named, opened.encoder(asked), lifted)]
    if static is not None:
        from chorus.view.page import write_page

        page = write_page(static, sessions[0], words=own)
        print(f"{page}: {len(sessions[0].kept):,} Gaussians, {page.stat().st_size / 1e6:.1f} MB")
        return
    from chorus.view import viewer

    if beside is not None:
        if opened._holds_model(Path(beside)):
            first = Reference(("first", "second"), lambda: Rows.of(sessions[0].search.features))
            sessions.append(Session(named, opened.encoder(Asked(model=Path(beside))), first))
        else:
            sessions.append(Session(opened.scene(beside), sessions[0].encoder))
    shown = viewer.Viewer(sessions, host=host, port=port, token=token, folder=exports or Path("."), training=following)
    print(f"{shown.address}   (Ctrl-C ends it)", flush=True)
    shown.run()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, expected="a text file of words, a line each", got=str(error)) from error


def serve(
    *,
    scenes: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR", help="whose scenes may be opened; the workspace's when absent")
    ] = None,
    asked: ModelOptions = USUAL,
    mcp: Annotated[bool, tyro.conf.arg(help="answer an assistant over stdin and stdout instead")] = False,
    host: Host = None,
    port: Port = None,
    token_file: TokenFile = None,
    queue: Annotated[int, tyro.conf.arg(help="requests that may wait; the next is told when to come back")] = 16,
    memory: Annotated[int, tyro.conf.arg(metavar="MB", help="of scenes kept with their features")] = 2000,
    upload: Annotated[int, tyro.conf.arg(metavar="MB", help="of one uploaded file, at most")] = 500,
) -> None:
    """Serve the model: open scenes, ask them, pick, measure, over HTTP with an API page, or as an MCP server over stdio
    (docs/serve.md). Ctrl-C ends it."""
    from chorus.serve import start

    given = {"--host": host, "--port": port, "--token-file": token_file}
    told = [name for name, value in given.items() if value is not None]
    if mcp and told:
        raise InputError("--mcp", expected="stdin and stdout, which need no address", got=", ".join(told))
    mine = opened.workspace().store.fitted
    options = start.Options(
        scenes=scenes or (mine if mine.is_dir() else None),
        host=host or start.Options.host,
        port=port,
        token_file=token_file,
        queue=queue,
        memory=memory * 10**6,
        upload=upload * 10**6,
    )
    (start.serve_mcp if mcp else start.serve_http)(options, lambda: opened.encoder(asked))
