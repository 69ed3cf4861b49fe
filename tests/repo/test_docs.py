"""What the pages say holds: links, anchors, commands, code, pictures; and the site builds strictly, with no network."""

import ast
import importlib
import os
import re
import runpy
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from chorus.cli import VERBS
from tests.cli.lines import commands, help_of, refusal

ROOT = Path(__file__).parents[2]
PAGES = {
    path: (ROOT / path).read_text()
    for path in subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    if (ROOT / path).is_file()
}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)")
each_page = pytest.mark.parametrize("path", PAGES)


def prose(text: str) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", text)


def anchors(text: str) -> set[str]:
    """What GitHub and the site call the headings of a page."""
    found = set()
    for heading in re.findall(r"^#{1,6} +(.+)$", prose(text), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        found.add(re.sub(r"[^\w\- ]", "", plain.lower()).strip().replace(" ", "-"))
    return found


def blocks(text: str) -> list[str]:
    """Lines of shell: fenced blocks of sh and of no language, and indented ones."""
    indented = re.findall(r"(?:^(?: {4}.*)?\n)+", prose(text), re.MULTILINE)
    fenced = [code for language, code in FENCE.findall(text) if language in ("", "sh", "bash")]
    return [block for block in fenced + indented if "chorus " in block]


@each_page
def test_links_lead_somewhere(path):
    for target in LINK.findall(prose(PAGES[path])):
        name, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", name):
            continue
        place = (ROOT / path).parent / name if name else ROOT / path
        assert place.exists(), target
        if anchor:
            page = place / "README.md" if place.is_dir() else place
            assert anchor in anchors(page.read_text()), target


@each_page
def test_command_lines_are_ours(path):
    for block in blocks(PAGES[path]):
        lines = block.replace("\\\n", " ").splitlines()
        shell = "\n".join(line for line in lines if re.search(r"(^|[;&|] *)\s*([A-Z_]+=\S+ )*chorus ", line))
        for words in commands(shell):
            assert not refusal(words), f"chorus {' '.join(words)}: {refusal(words)}"


@each_page
def test_commands_in_sentences_name_verbs_and_options_that_exist(path):
    for line in re.findall(r"`chorus ([^`]+)`", prose(PAGES[path])):
        verb, *rest = line.split()
        if verb.startswith("-") or verb == "VERB":
            continue
        assert verb in VERBS, line
        for option in re.findall(r"(?<!\S)--[a-z-]+", " ".join(rest)):
            assert option in help_of(verb) or option == "--help", line


@each_page
def test_code_imports_what_exists(path):
    for code in (code for language, code in FENCE.findall(PAGES[path]) if language == "python"):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("chorus"):
                module = importlib.import_module(str(node.module))
                for name in (alias.name for alias in node.names):
                    assert hasattr(module, name) or find_spec(f"{node.module}.{name}"), ast.unparse(node)


@each_page
def test_what_is_made_has_a_target(path):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^ {4}|`)make ([a-z-]+)", PAGES[path], re.MULTILINE)) <= targets


def test_every_extra_is_explained():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    explained = "\n".join(re.findall(r"^\| (`.*?) \|", PAGES["docs/install.md"], re.MULTILINE))
    assert set(re.findall(r"`(\w+)`", explained)) == set(extras)


def test_every_picture_has_a_command_that_makes_it():
    listed = PAGES["docs/figures.md"]
    pictures = sorted(path.name for ending in ("png", "svg") for path in (ROOT / "docs").glob(f"*.{ending}"))
    assert pictures and all(f"[{name}]({name})" in listed for name in pictures)
    for script in re.findall(r"`python (\S+\.py)", listed):
        assert (ROOT / script).is_file()
    names = set(re.findall(r"\]\((\S+)\.png\)", next(row for row in listed.splitlines() if "docs/figures.py" in row)))
    source = (ROOT / "docs" / "figures.py").read_text()
    assert names == set(re.findall(r'^    "(\S+)": ', source, re.MULTILINE))


def test_the_drawing_is_what_its_program_draws():
    drawing = runpy.run_path(str(ROOT / "docs" / "architecture.py"))["drawing"]()
    assert drawing == (ROOT / "docs" / "architecture.svg").read_text(), "Run python docs/architecture.py."


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("material")
    out = tmp_path_factory.mktemp("site")
    environment = {
        **os.environ,
        "NO_MKDOCS_2_WARNING": "1",
        "https_proxy": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
    }
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_the_site_builds_strictly_and_asks_no_network(site):
    fetched = re.compile(
        r"<(?:script|img|iframe|source)[^>]+src=\"?(?:https?:)?//|<link[^>]+href=\"?https?://|url\((?:https?:)?//"
    )
    pages = [*site.rglob("*.html"), *site.rglob("*.css")]
    assert len(pages) > 35 and not [path for path in pages if fetched.search(path.read_text())]
    assert (site / "index.html").read_text().count("mental map") >= 1
    assert "chorus.load" in (site / "api" / "index.html").read_text()
