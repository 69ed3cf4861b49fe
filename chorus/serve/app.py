"""The routes: a scene in, an id out; words, rays and points in, objects out."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TypeVar

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.middleware.trustedhost import TrustedHostMiddleware

from chorus import __version__
from chorus.serve import shapes, verbs
from chorus.serve.auth import Guard
from chorus.serve.metrics import Counted, Metrics
from chorus.serve.problems import tell_problems
from chorus.serve.service import Service
from chorus.serve.uploads import BYTES, check_upload, receive
from chorus.view.session import Session

T = TypeVar("T")
ABOUT = (
    "A mental map for 3D Gaussian-splat scenes. Open a scene, then ask it. Places are in the coordinates of the "
    "scene's file, lengths in its unit. An error is one line: where, what was expected, what came, what to do."
)
PIECE = 2**20  # bytes of a download that are read at once
RAW = {"content": {BYTES: {"schema": {"type": "string", "format": "binary"}}}}
SAFETENSORS: dict[int | str, dict[str, Any]] = {200: RAW}
FILE = {"requestBody": {"required": True, **RAW}}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"model": shapes.Problem, "description": text}
    for code, text in {
        400: "what came is not what it should be",
        401: "no token, or another",
        404: "no such scene",
        503: "the queue is full: Retry-After says when to come back",
    }.items()
}


def make_app(service: Service, *, hosts: tuple[str, ...] = ("*",)) -> FastAPI:
    """The application. hosts: names a request may call the server by; on loopback its own, so that a page of another
    site cannot reach it through a name that leads there."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.work.close()

    app = FastAPIOffline(title="Chorus", version=__version__, description=ABOUT, redoc_url=None, lifespan=lifespan)
    metrics = Metrics(service.work, service.scenes)
    app.state.service, app.state.metrics = service, metrics
    app.include_router(_open)
    app.include_router(_guarded, dependencies=[Depends(Guard(service.token))])
    tell_problems(app)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    app.add_middleware(Counted, metrics=metrics)
    return app


def _of(request: Request) -> Service:
    return request.app.state.service


Held = Annotated[Service, Depends(_of)]
_open = APIRouter()
_guarded = APIRouter(responses=PROBLEMS)


@_open.get("/", include_in_schema=False)
def root() -> RedirectResponse:
    return RedirectResponse("docs")


@_open.get("/health", tags=["server"])
async def health() -> shapes.Health:
    """Whether the server answers; needs no token."""
    return shapes.Health(version=__version__)


@_guarded.get("/metrics", tags=["server"], response_class=Response)
async def metrics(request: Request) -> Response:
    """Requests, seconds, queue, scenes and memory, for Prometheus."""
    return Response(request.app.state.metrics.text(), media_type=CONTENT_TYPE_LATEST)


@_guarded.get("/files", tags=["scenes"])
def files(service: Held) -> shapes.Files:
    """Scenes of the server's folder that may be opened by path."""
    return shapes.Files(files=service.folder.names())


@_guarded.get("/scenes", tags=["scenes"])
async def scenes(service: Held) -> shapes.Scenes:
    """The scenes that are kept, the one asked last at the end."""
    return service.scenes.list()


@_guarded.post("/scenes", tags=["scenes"], status_code=201)
async def open_scene(request: Request, service: Held, asked: shapes.Open) -> shapes.Scene:
    """Read and encode a scene of the server's folder. Opening the same again costs nothing and gives the same id."""
    kept = await _worked(request, lambda: service.scenes.open(asked.path, asked))
    return kept.info


@_guarded.post("/scenes/upload", tags=["scenes"], status_code=201, openapi_extra=FILE)
async def upload(request: Request, service: Held, asked: Annotated[shapes.Upload, Query()]) -> shapes.Scene:
    """Read and encode a file of splats, which is the body of the request. It is not kept on disk."""
    check_upload(request, asked.name, most=service.upload_bytes)
    with service.work.place(), tempfile.TemporaryDirectory(prefix="chorus-") as folder:
        path = Path(folder).resolve() / asked.name
        await receive(request, path, most=service.upload_bytes)
        kept = await service.work.do(lambda: service.scenes.take(path, asked), left=request.is_disconnected)
        return kept.info


@_guarded.get("/scenes/{id}", tags=["scenes"])
async def scene(service: Held, id: str) -> shapes.Scene:
    """What is told of a kept scene."""
    return service.scenes.info(id)


@_guarded.delete("/scenes/{id}", tags=["scenes"], status_code=204)
async def drop(service: Held, id: str) -> None:
    """Forget a scene."""
    service.scenes.drop(id)


@_guarded.get("/scenes/{id}/query", tags=["ask"])
async def query(request: Request, id: str, asked: Annotated[shapes.Query, Query()]) -> shapes.Answers:
    """The objects that answer words."""
    return await _asked(request, id, lambda session: verbs.answers(session, asked.words, top=asked.top))


@_guarded.post("/scenes/{id}/query", tags=["ask"])
async def query_from(request: Request, id: str, asked: shapes.QueryFrom) -> shapes.Answers:
    """The objects that answer words, with their distance from a viewpoint."""
    return await _asked(request, id, lambda session: verbs.answers(session, **dict(asked)))


@_guarded.get("/scenes/{id}/objects", tags=["ask"])
async def objects(request: Request, id: str) -> shapes.Things:
    """The things of a room, from large to small."""
    return await _asked(request, id, verbs.things)


@_guarded.get("/scenes/{id}/describe", tags=["ask"])
async def describe(request: Request, id: str) -> shapes.Description:
    """The room, its things, how they stand to each other, and sentences that tell of them."""
    return await _asked(request, id, verbs.describe)


@_guarded.post("/scenes/{id}/pick", tags=["ask"])
async def pick(request: Request, id: str, asked: shapes.Pick) -> shapes.What:
    """What a ray meets first, or what lies at a point."""
    return await _asked(request, id, lambda session: verbs.pick(session, asked))


@_guarded.post("/scenes/{id}/measure", tags=["ask"])
async def measure(request: Request, id: str, asked: shapes.Measure) -> shapes.Ends:
    """How far two places or objects are apart."""
    return await _asked(request, id, lambda session: verbs.measure(session, asked.start, asked.end))


@_guarded.get("/scenes/{id}/features", tags=["ask"], response_class=StreamingResponse, responses=SAFETENSORS)
async def features(request: Request, id: str, asked: Annotated[shapes.Features, Query()]) -> StreamingResponse:
    """Features [N, C] of every row of the scene's file, and which rows are valid, as safetensors."""
    service = _of(request)
    file, size = await _asked(request, id, lambda session: _encoded(service, session, asked.output))
    name = f"{id}.{asked.output}.safetensors"
    headers = {"Content-Length": str(size), "Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(_pieces(file), media_type=BYTES, headers=headers)


async def _asked(request: Request, id: str, piece: Callable[[Session], T]) -> T:
    session = _of(request).scenes.get(id)
    return await _worked(request, lambda: piece(session))


async def _worked(request: Request, piece: Callable[[], T]) -> T:
    work = _of(request).work
    with work.place():
        return await work.do(piece, left=request.is_disconnected)


def _encoded(service: Service, session: Session, output: str) -> tuple[BinaryIO, int]:
    """An open file that has no name any more: it is gone when it is closed."""
    with tempfile.TemporaryDirectory(prefix="chorus-") as folder:
        path = Path(folder) / "features.safetensors"
        service.scenes.encoder.encode_to_files(session.scene, {output: path}, info={"scene": session.named.name})
        return open(path, "rb"), path.stat().st_size


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE):
            yield piece
