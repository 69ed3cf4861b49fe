"""Who has the token comes in, nobody else; and no answer, page or message holds it."""

import hmac
import logging

import pytest

from chorus.serve import auth
from tests.unit.serve.conftest import line_of

TOKEN = "a-token-of-some-length-0123"
GUARDED = ("/scenes", "/files", "/metrics", "/scenes/x", "/scenes/x/describe", "/scenes/x/features")


@pytest.fixture
def client(make_client):
    return make_client(token=TOKEN)


@pytest.mark.parametrize("path", GUARDED)
@pytest.mark.parametrize(
    "shown",
    [None, "", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN, "Bearer té"],
)
def test_without_the_token_nothing_is_told(client, path, shown):
    headers = {} if shown is None else {"Authorization": shown.encode("latin-1")}
    answer = client.get(path, headers=headers)
    assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
    assert TOKEN not in line_of(answer)


def test_every_route_but_health_and_the_page_is_guarded(client):
    paths = client.get("/openapi.json").json()["paths"]
    for path, methods in paths.items():
        for method in methods:
            answer = client.request(method, path.format(id="x"))
            assert answer.status_code == (200 if path == "/health" else 401), (method, path)
    assert client.get("/docs").status_code == 200


def test_the_token_lets_in(client):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert client.get("/scenes", headers=headers).status_code == 200
    assert client.post("/scenes", json={"path": "room.ply"}, headers=headers).status_code == 201


def test_tokens_are_compared_in_constant_time(client, monkeypatch):
    compared, own = [], hmac.compare_digest

    def compare(a, b):
        compared.append((a, b))
        return own(a, b)

    monkeypatch.setattr(auth.hmac, "compare_digest", compare)
    client.get("/scenes", headers={"Authorization": "Bearer other"})
    assert compared == [(b"other", TOKEN.encode())]


def test_the_token_is_nowhere_to_be_read(client, make_service, caplog):
    with caplog.at_level(logging.DEBUG):
        texts = [client.get(path).text for path in ("/openapi.json", "/docs", "/health", "/scenes")]
        texts.append(client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text)
    assert all(TOKEN not in text for text in [*texts, caplog.text, repr(make_service(token=TOKEN))])
