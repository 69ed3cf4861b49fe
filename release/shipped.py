"""What travels in the package beside its own code: the page's JavaScript, the model, the teachers' heads, a sample."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from chorus.store import hash_file

ROOT = Path(__file__).resolve().parents[1]
WEB = ROOT / "chorus" / "view" / "web"


@dataclass(frozen=True)
class Part:
    """kind: of CycloneDX; license: an SPDX id; files: relative to the project, none where it is only bundled."""

    name: str
    kind: str
    license: str
    about: str
    version: str = ""
    purl: str = ""
    files: tuple[str, ...] = ()


def parts() -> list[Part]:
    """All of them, by name."""
    return sorted([*bundled(), *OURS], key=lambda part: part.name)


def bundled() -> list[Part]:
    """The npm packages inside bundle.js, with the licenses that LICENSES.txt beside it gives in full."""
    wanted = json.loads((WEB / "package.json").read_text())["dependencies"]
    given = dict(re.findall(r"^== (\S+) \S+, (\S+)$", (WEB / "LICENSES.txt").read_text(), re.M))
    return [
        Part(
            name=name,
            version=version,
            kind="library",
            license=given[name],
            about="inside chorus/view/web/bundle.js",
            purl=f"pkg:npm/{name.replace('@', '%40')}@{version}",
        )
        for name, version in wanted.items()
    ]


OURS = (
    Part(
        name="chorus-encoder",
        kind="machine-learning-model",
        license="Apache-2.0",
        about="the encoder, distilled from the embedded teachers on renders of Sweet Home 3D's furniture (CC-BY 3.0)",
        files=("chorus/weights/splats/model.safetensors", "chorus/weights/points/model.safetensors"),
    ),
    Part(
        name="chorus-embedded-teachers",
        kind="machine-learning-model",
        license="Apache-2.0",
        about="heads over EfficientNet-Lite0 features, trained on the same renders",
        files=(
            "chorus/teachers/embedded/weights/lang.safetensors",
            "chorus/teachers/embedded/weights/object.safetensors",
        ),
    ),
    Part(
        name="chorus-sample-room",
        kind="data",
        license="CC-BY-3.0",
        about="a room of Sweet Home 3D as Gaussians; chorus/sample/README.md names the authors",
        files=("chorus/sample/room.spz",),
    ),
)


def sha256(name: str) -> str:
    """Of a file of the project."""
    return hash_file(ROOT / name)
