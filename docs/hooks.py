"""What the site adds to docs/: the README as its first page, pages that lie beside the code they are about, and links
among all of them that hold here as they do in the repository."""

from __future__ import annotations

import posixpath
import re
import subprocess
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(?<!\\)(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
FENCE = re.compile(r"(^```.*?^```)", re.MULTILINE | re.DOTALL)
SHIM = "https://unpkg.com/iframe-worker/shim"  # what the theme would fetch to search from a disk; ours lies beside
ROLE = re.compile(r":(?:func|meth|class|attr|mod):(?=<code>)")  # docstrings name others as Sphinx does


def place_of(path: str) -> str:
    """Where a page of the repository lies in the site."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return "index.md" if path == "README.md" else f"repo/{path}"


def pages() -> list[str]:
    """Every page of the repository outside docs/."""
    said = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True)
    names = said.stdout.split() or [path.relative_to(ROOT).as_posix() for path in ROOT.glob("*/**/README.md")]
    return [name for name in names if not name.startswith("docs/") and (ROOT / name).is_file()]


def on_files(files, config):
    for path in pages():
        files.append(File.generated(config, place_of(path), content=(ROOT / path).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown, page, config, files):
    place = page.file.src_uri
    here = next((path for path in pages() if place_of(path) == place), f"docs/{place}")
    parts = FENCE.split(markdown)
    parts[::2] = [LINK.sub(lambda found: _linked(found, here, files), part) for part in parts[::2]]
    return "".join(parts)


def on_page_content(html, page, config, files):
    return ROLE.sub("", html)


def on_post_page(output, page, config):
    here = posixpath.relpath("iframe-worker.js", posixpath.dirname(page.url) or ".")
    return output.replace(SHIM, here)


def on_post_template(output_content, template_name, config):
    return output_content.replace(SHIM, "iframe-worker.js")


def _linked(found: re.Match, here: str, files) -> str:
    """A link of the repository as one of the site; one to a file that is no page, as its path."""
    mark, text, target = found.groups()
    path, _, anchor = target.partition("#")
    if not path or re.match(r"[a-z]+:", path):
        return found[0]
    path = posixpath.normpath(posixpath.join(posixpath.dirname(here), path))
    if (ROOT / path).is_dir() and (ROOT / path / "README.md").is_file():
        path = f"{path}/README.md"
    if files.get_file_from_path(place_of(path)) is None:
        return f"{text} (`{path}`)" if (ROOT / path).exists() else found[0]
    away = posixpath.relpath(place_of(path), posixpath.dirname(place_of(here)) or ".")
    return f"{mark}[{text}]({away}{'#' * bool(anchor)}{anchor})"
