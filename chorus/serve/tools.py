"""The verbs as an MCP server: an assistant lists scenes, asks them and measures in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

from chorus import __version__
from chorus.encoder.shipped import SAMPLE_NAME
from chorus.errors import ChorusError
from chorus.serve import shapes, verbs
from chorus.serve.service import Service
from chorus.view.session import Session

T = TypeVar("T")
ABOUT = (
    "Rooms as 3D Gaussian splats that are asked in words. Begin with list_scenes. Places are x y z in the coordinates "
    "of the scene's file, lengths in the unit that every answer names. Scores lie in 0..1; under 0.2 is a guess. An "
    "answer without objects: nothing of that kind was found."
)
NEAR = 6  # things told of around a place
SceneName = Annotated[str, Field(description="a name of list_scenes")]


class Near(BaseModel):
    """A thing and how far it is."""

    name: str
    center: shapes.Point
    distance: float


class Place(BaseModel):
    """What is at a place, and the things around it; of a whole room only the sentences and things."""

    unit: str
    sentences: list[str] = Field(default=[], description="what the room holds")
    point: shapes.Point | None = None
    there: shapes.Picked | None = None
    near: list[Near] = Field(default=[], description="nearest first")


def make_server(service: Service) -> MCPServer:
    """The server, to be run over stdio."""
    server = MCPServer("chorus", title="Chorus", version=__version__, instructions=ABOUT, log_level="WARNING")

    def asked(scene: str, piece: Callable[[Session], T]) -> T:
        def work() -> T:
            return piece(service.scenes.open(scene, shapes.Frame()).session)

        return _told(lambda: service.work.call(work))

    @server.tool()
    def list_scenes() -> list[str]:
        """The scenes that can be asked. "sample" is a bedroom that ships with Chorus."""
        return [SAMPLE_NAME, *service.folder.names()]

    @server.tool()
    def list_objects(scene: SceneName) -> shapes.Things:
        """What a scene holds, by name: place, size, the walls it stands at, how it stands to the others."""
        return asked(scene, verbs.things)

    @server.tool()
    def find(
        scene: SceneName,
        words: Annotated[str, Field(description='"where i sleep", "a lamp by the bed", "a chair, not a sofa"')],
        top: Annotated[int, Field(ge=1, le=100, description="objects, at most")] = 5,
    ) -> shapes.Answers:
        """The objects of a scene that answer words: place, size, score. Semicolons part several questions."""
        return asked(scene, lambda session: verbs.answers(session, [words], top=top))

    @server.tool()
    def describe_place(
        scene: SceneName,
        place: Annotated[
            shapes.End | None, Field(description="[x, y, z], or words for an object; the whole room when absent")
        ] = None,
    ) -> Place:
        """What is at a place and what stands around it, or what a whole room holds, in sentences."""
        return asked(scene, lambda session: _place(session, place))

    @server.tool()
    def measure(scene: SceneName, start: shapes.End, end: shapes.End) -> shapes.Ends:
        """How far two places or objects of a scene are apart: between centers, and the gap between them."""
        return asked(scene, lambda session: verbs.measure(session, start, end))

    return server


def _place(session: Session, place: shapes.Point | str | None) -> Place:
    found = verbs.describe(session)
    if place is None:
        return Place(unit=found.unit, sentences=found.sentences)
    point = verbs.place_of(session, place) if isinstance(place, str) else place
    near = [
        Near(name=thing.name, center=thing.position, distance=verbs.apart(session, point, thing.position))
        for thing in found.things
    ]
    return Place(
        unit=found.unit,
        point=point,
        there=verbs.pick(session, shapes.Pick(point=point)).found,
        near=sorted(near, key=lambda thing: thing.distance)[:NEAR],
    )


def _told(run: Callable[[], T]) -> T:
    """What the assistant can mend is told to it in one line."""
    try:
        return run()
    except ChorusError as error:
        raise ToolError(str(error)) from error
