"""What a scene is asked, as JSON: the answers of chorus.view, in the coordinates of the scene's file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree

from chorus.errors import InputError
from chorus.serve import shapes
from chorus.view.describe import describe as look
from chorus.view.query import Found
from chorus.view.render import bounds
from chorus.view.sentences import sentences
from chorus.view.session import Clicked, Session, questions_of

DIGITS = 4


def answers(
    session: Session, words: Sequence[str], *, top: int = 5, viewpoint: shapes.Point | None = None
) -> shapes.Answers:
    """The objects that answer each question. Raises InputError for none, and for more than MOST_QUESTIONS."""
    count = sum(len(questions_of(line)) for line in words)
    if count > shapes.MOST_QUESTIONS:
        expected = f"at most {shapes.MOST_QUESTIONS} questions at once"
        raise InputError("words", expected=expected, got=count, fix="Ask in several requests.")
    eye = middle(session) if viewpoint is None else _ours(session, viewpoint)
    return shapes.Answers(
        unit=session.named.unit,
        answers=[
            shapes.Answer(
                words=answer.words,
                best=_short(answer.score.max()),
                objects=[_object(session, found, eye) for found in answer.objects],
            )
            for line in words
            for answer in session.ask(line, top=top)
        ],
    )


def describe(session: Session) -> shapes.Description:
    """The things of a room, and sentences that tell of them."""
    found = look(session.search)
    return shapes.Description.model_validate({**found.to_json(), "sentences": sentences(found)})


def things(session: Session) -> shapes.Things:
    """The things of a room, from large to small."""
    return shapes.Things.model_validate(look(session.search).to_json())


def pick(session: Session, asked: shapes.Pick) -> shapes.What:
    """What a ray meets first, or what lies at a point. Raises InputError for neither, both and half a ray."""
    given = [name for name in ("origin", "direction", "point") if getattr(asked, name) is not None]
    if asked.point is not None and given == ["point"]:
        eye = _ours(session, asked.point)
        return _what(session, session.at(eye), eye)
    if asked.origin is None or asked.direction is None or asked.point is not None:
        raise InputError("pick", expected="origin and direction, or a point", got=", ".join(given) or "neither")
    if not any(asked.direction):
        raise InputError("direction", expected="one that is not zero", got=list(asked.direction))
    eye = _ours(session, asked.origin)
    toward = _ours(session, np.add(asked.origin, asked.direction)) - eye
    return _what(session, session.click(eye, toward), eye)


def measure(session: Session, start: shapes.Point | str, end: shapes.Point | str) -> shapes.Ends:
    """How far two places or objects are apart. Raises InputError for words that nothing answers."""
    eye = middle(session)
    told, places, clouds = [], [], []
    for words in (start, end):
        if isinstance(words, str):
            found = _best(session, words)
            told.append(_object(session, found, eye))
            places.append(found.position)
            clouds.append(session.scene.means.detach().cpu().numpy()[found.rows].astype(np.float64))
        else:
            told.append(words)
            places.append(_ours(session, words))
            clouds.append(places[-1][None])
    gap = np.min(cKDTree(clouds[0]).query(clouds[1])[0])
    distance = _short(np.linalg.norm(places[1] - places[0]))
    return shapes.Ends(unit=session.named.unit, distance=distance, gap=_short(gap), start=told[0], end=told[1])


def place_of(session: Session, words: str) -> shapes.Point:
    """Where the object is that answers best. Raises InputError where nothing answers."""
    return _theirs(session, _best(session, words).position)


def apart(session: Session, a: shapes.Point, b: shapes.Point) -> float:
    """The distance of two places."""
    return _short(np.linalg.norm(_ours(session, a) - _ours(session, b)))


def middle(session: Session) -> np.ndarray:
    """[3] m of a room."""
    low, high = bounds(session.scene)
    return (low + high) / 2


def corners(session: Session) -> tuple[shapes.Point, shapes.Point]:
    """Low and high corner of the room, in the file's axes."""
    low, high = bounds(session.scene)
    ends = session.scene.frame.to_file(np.stack([low, high]))
    return _rounded(ends.min(axis=0)), _rounded(ends.max(axis=0))


def _best(session: Session, words: str) -> Found:
    answer = session.ask(words, top=1)[0]
    if not answer.objects:
        got = f"nothing answers (best score {answer.score.max():.2f})"
        raise InputError(repr(words), expected="an object of the scene", got=got, fix="Ask for something else.")
    return answer.objects[0]


def _what(session: Session, clicked: Clicked | None, eye: np.ndarray) -> shapes.What:
    if clicked is None:
        return shapes.What(unit=session.named.unit, found=None)
    means = session.scene.means.detach().cpu().numpy()[clicked.rows].astype(np.float64)
    score = session.labels.score
    mean = 0.0 if score is None else float(score.numpy()[clicked.rows].mean())
    whole = Found(mean, means.mean(axis=0), clicked.extent, clicked.rows)
    return shapes.What(
        unit=session.named.unit,
        found=shapes.Picked(
            position=_theirs(session, clicked.hit.position),
            distance=_short(clicked.hit.distance),
            names=[shapes.Likely(name=name, share=_short(share)) for name, share in clicked.names],
            object=_object(session, whole, eye),
        ),
    )


def _object(session: Session, found: Found, eye: np.ndarray) -> shapes.Object:
    labels = session.labels
    likeliest = np.bincount(labels.label.numpy()[found.rows]).argmax()
    return shapes.Object(
        label=labels.names[likeliest],
        score=_short(found.score),
        center=_theirs(session, found.position),
        size=_rounded(found.extent),
        count=len(found.rows),
        distance=_short(np.linalg.norm(found.position - eye)),
    )


def _ours(session: Session, point) -> np.ndarray:
    return session.scene.frame.from_file(np.asarray(point, np.float64))


def _theirs(session: Session, point: np.ndarray) -> shapes.Point:
    return _rounded(session.scene.frame.to_file(point))


def _rounded(values: np.ndarray) -> shapes.Point:
    x, y, z = (_short(value) for value in values)
    return x, y, z


def _short(value) -> float:
    return round(float(value), DIGITS)
