"""The MCP server, asked by the SDK's own client: in this process, and over stdio as an assistant starts it."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mcp")

from mcp import Client, StdioServerParameters
from mcp_types import TextContent

from chorus.serve.tools import make_server

ROOT = Path(__file__).parents[3]
TOOLS = {"list_scenes", "list_objects", "find", "describe_place", "measure"}


def asked(server, *calls: tuple[str, dict]) -> list:
    """What the tools give, in turn."""

    async def ask():
        async with Client(server) as client:
            return [await client.call_tool(name, arguments) for name, arguments in calls]

    return asyncio.run(ask())


def given(result) -> dict:
    assert not result.is_error, result.content
    return result.structured_content


def line(result) -> str:
    """The text of an error."""
    assert result.is_error and len(result.content) == 1 and isinstance(result.content[0], TextContent)
    assert "\n" not in result.content[0].text
    return result.content[0].text


def test_the_tools_answer_as_the_library_does(make_service):
    scenes, found, ends, place, whole = asked(
        make_server(make_service()),
        ("list_scenes", {}),
        ("find", {"scene": "deep/room.spz", "words": "a chair; a zebra", "top": 1}),
        ("measure", {"scene": "deep/room.spz", "start": [0, 0, 0], "end": [3, 0, 4]}),
        ("describe_place", {"scene": "deep/room.spz", "place": [1, 1, 0.6]}),
        ("describe_place", {"scene": "deep/room.spz"}),
    )
    assert given(scenes)["result"] == ["sample", "deep/room.spz", "room.ply"]
    chair, zebra = given(found)["answers"]
    assert len(chair["objects"]) == 1 and chair["objects"][0]["count"] == 50 and zebra["objects"] == []
    assert given(ends)["distance"] == 5
    assert given(place)["there"]["names"][0]["name"] == "chair" and given(place)["point"] == [1, 1, 0.6]
    assert given(whole)["sentences"] and given(whole)["point"] is None


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("find", {"scene": "../secret.ply", "words": "a chair"}, "inside the server's folder"),
        ("find", {"scene": "rom.ply", "words": "a chair"}, "Did you mean 'room.ply'?"),
        ("find", {"scene": "room.ply", "words": " ; "}, "words to look for"),
        ("measure", {"scene": "room.ply", "start": "a zebra", "end": [0, 0, 0]}, "nothing answers"),
    ],
)
def test_what_the_assistant_can_mend_is_one_line(make_service, tool, arguments, says):
    server = make_server(make_service())
    refused, again = asked(server, (tool, arguments), ("find", {"scene": "sample", "words": "a chair"}))
    assert says in line(refused) and given(again)["unit"] == "m"


def test_arguments_that_do_not_fit_are_told(make_service):
    (refused,) = asked(make_server(make_service()), ("find", {"scene": "room.ply"}))
    assert refused.is_error and "words" in refused.content[0].text


def test_over_stdio_on_the_room_that_ships(tmp_path):
    environment = {"PYTHONPATH": str(ROOT), "CHORUS_ROOT": str(tmp_path), "OMP_NUM_THREADS": "1"}
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "chorus.cli", "serve", "--mcp"], env=environment, cwd=tmp_path
    )

    async def ask():
        async with Client(command, read_timeout_seconds=60) as client:
            tools = await client.list_tools()
            calls = [
                ("list_scenes", {}),
                ("list_objects", {"scene": "sample"}),
                ("find", {"scene": "sample", "words": "where i sleep"}),
                ("describe_place", {"scene": "sample", "place": "the bed"}),
                ("describe_place", {"scene": "sample"}),
                ("measure", {"scene": "sample", "start": "the bed", "end": "the window"}),
                ("find", {"scene": "/etc/passwd", "words": "a chair"}),
            ]
            return tools, [await client.call_tool(name, arguments) for name, arguments in calls]

    tools, (scenes, objects, found, place, whole, ends, refused) = asyncio.run(ask())
    assert {tool.name for tool in tools.tools} == TOOLS and all(tool.description for tool in tools.tools)
    assert given(scenes)["result"] == ["sample"]
    things = {thing["name"]: thing for thing in given(objects)["things"]}
    bed = given(found)["answers"][0]["objects"][0]
    assert bed["label"] == "bed" and bed["score"] > 0.5
    assert max(abs(a - b) for a, b in zip(bed["center"], things["bed"]["position"], strict=True)) < 0.3
    assert given(place)["there"]["names"] and given(place)["near"][0]["name"] == "bed"
    assert any("bed" in sentence.lower() for sentence in given(whole)["sentences"])
    assert 0 <= given(ends)["gap"] < given(ends)["distance"] < 5
    assert "scene" in line(refused)


def test_stdout_holds_nothing_but_the_protocol(tmp_path):
    """Every line is JSON-RPC, whatever comes in."""
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CHORUS_ROOT": str(tmp_path)}
    about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    sent = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": about},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "list_scenes", "arguments": {}}},
    ]
    text = "\n".join([*map(json.dumps, sent[:2]), "no json", json.dumps(sent[2])]) + "\n"
    command = [sys.executable, "-m", "chorus.cli", "serve", "--mcp"]
    server = subprocess.Popen(
        command, env=environment, cwd=tmp_path, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    server.stdin.write(text)
    server.stdin.flush()
    got = [json.loads(server.stdout.readline())]
    while got[-1].get("id") != 2:
        got.append(json.loads(server.stdout.readline()))
    rest, _ = server.communicate(timeout=30)  # closes stdin, which ends it
    assert all(one["jsonrpc"] == "2.0" for one in got) and rest == "" and server.returncode == 0
