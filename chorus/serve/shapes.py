"""The JSON that comes in and goes out, as its schema shows it. Places are [3] in the coordinates of the scene's file;
lengths are in the scene's unit, along its upright axes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

MOST_QUESTIONS, MOST_LETTERS = 32, 200
Point = tuple[FiniteFloat, FiniteFloat, FiniteFloat]
Up = Literal["x", "-x", "y", "-y", "z", "-z", "keep"] | None
Unit = Literal["m", "cm", "mm", "in", "ft"] | None
Words = Annotated[str, Field(max_length=MOST_LETTERS * MOST_QUESTIONS)]
End = Annotated[Point | Words, Field(description="a place, or words for an object")]


class Strict(BaseModel):
    """What comes in: a field that is not known is refused."""

    model_config = ConfigDict(extra="forbid")


class Frame(Strict):
    """What is known of a file's axes and unit."""

    up: Up = Field(default=None, description="which way is up in the file; found when absent")
    scale: Annotated[FiniteFloat, Field(gt=0)] | None = Field(default=None, description="metres of one unit")
    unit: Unit = Field(default=None, description="unit of the file, in place of scale")


class Open(Frame):
    path: str = Field(
        min_length=1,
        description="a scene below the server's folder, as GET /files lists them, or sample: the room that ships",
        examples=["sample"],
    )


class Upload(Frame):
    name: str = Field(max_length=200, description="the file's; its suffix tells the format", examples=["room.spz"])


class Query(Strict):
    words: list[Words] = Field(
        min_length=1,
        max_length=MOST_QUESTIONS,
        description='questions: "a chair", "something to sit on", "a chair by the window", "a chair, not an armchair"; '
        "semicolons part several in one",
        examples=[["a chair", "a lamp by the bed"]],
    )
    top: int = Field(default=5, ge=1, le=100, description="objects an answer, at most")


class QueryFrom(Query):
    viewpoint: Point | None = Field(default=None, description="of distances; the room's middle when absent")


class Pick(Strict):
    """Either a ray or a point."""

    origin: Point | None = Field(default=None, examples=[[0, 0, 1.6]])
    direction: Point | None = Field(default=None, description="of any length", examples=[[0, 1, 0]])
    point: Point | None = Field(default=None, description="in place of a ray", examples=[None])


class Measure(Strict):
    start: End = Field(examples=["the bed"])
    end: End = Field(examples=[[0, 0, 1]])


class Features(Strict):
    output: str = Field(default="lang", description="lang, dino, object or upcast, as far as the model has them")


class Scene(BaseModel):
    id: str = Field(description="of the scene's content: the same file has the same")
    name: str
    gaussians: int
    unit: str = Field(description="of lengths: m, or units where nothing says what they are")
    frame: str = Field(description="how up and unit are known")
    low: Point = Field(description="one corner of the room")
    high: Point = Field(description="the other")
    notes: list[str] = Field(description="what reading the file left out")


class Scenes(BaseModel):
    scenes: list[Scene]
    bytes: int = Field(description="of memory that they take")
    most_bytes: int = Field(description="over which the one that was asked least recently is dropped")


class Files(BaseModel):
    files: list[str] = Field(description="scenes that may be opened by path")


class Object(BaseModel):
    label: str = Field(description="what most of its Gaussians likely are")
    score: float = Field(description="mean, in 0..1")
    center: Point
    size: Point = Field(description="sides of the box that holds the middle 90 %")
    count: int = Field(description="of Gaussians")
    distance: float = Field(description="from the viewpoint to the center")


class Answer(BaseModel):
    words: str
    best: float = Field(description="the best score of any Gaussian, also where no object answers")
    objects: list[Object]


class Answers(BaseModel):
    unit: str
    answers: list[Answer]


class Relation(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    kind: str = Field(alias="is", description="how it stands to others")
    of: list[int] = Field(description="rows of the others in the list of things")


class Thing(BaseModel):
    name: str
    score: float
    position: Point
    size: Point = Field(description="along the walls of the room, and up")
    walls: list[str] = Field(description="that it stands against")
    relations: list[Relation]
    gaussians: int


class Room(BaseModel):
    size: Point
    angle_deg: float = Field(description="of its walls to the axes")


class Things(BaseModel):
    unit: str
    things: list[Thing]


class Description(Things):
    room: Room
    sentences: list[str]


class Likely(BaseModel):
    name: str
    share: float


class Picked(BaseModel):
    position: Point
    distance: float = Field(description="along the ray, or from the point to the nearest Gaussian")
    names: list[Likely] = Field(description="what is there, likeliest first")
    object: Object


class What(BaseModel):
    unit: str
    found: Picked | None = Field(description="none where a ray meets nothing")


class Ends(BaseModel):
    unit: str
    distance: float = Field(description="between the two places, or centers")
    gap: float = Field(description="between the nearest Gaussians of the two; as distance between two places")
    start: Object | Point
    end: Object | Point


class Health(BaseModel):
    status: Literal["ok"] = "ok"
    version: str


class Problem(BaseModel):
    error: str = Field(description="one line: where, what was expected, what came, what to do")
