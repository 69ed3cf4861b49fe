"""A bill of materials of this environment and of what the package brings along, as CycloneDX JSON.

python release/sbom.py [FILE]       dist/sbom.json when absent; make sbom
"""

import json
import subprocess
import sys
from pathlib import Path

from shipped import ROOT, Part, parts, sha256


def main(out: Path) -> None:
    """Write it, valid by CycloneDX's own schema; SystemExit with a line where it cannot be made."""
    bill = of_environment()
    bill["components"] += [component(part) for part in parts()]
    text = json.dumps(bill, indent=1, sort_keys=True) + "\n"
    check(text)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text)
    print(f"{out}: {len(bill['components'])} components, CycloneDX {bill['specVersion']}")


def of_environment() -> dict:
    """What is installed beside this interpreter, with licenses; the same environment gives the same bytes."""
    tool = Path(sys.executable).with_name("cyclonedx-py")
    if not tool.exists():
        sys.exit(
            f"chorus: expected the command cyclonedx-py beside {sys.executable}, got nothing there. Run make setup."
        )
    command = [tool, "environment", "--pyproject", ROOT / "pyproject.toml", "--output-reproducible", sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"chorus: cyclonedx-py: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout)


def component(part: Part) -> dict:
    """A part as CycloneDX has it; what has files names their hashes."""
    files = [
        {"type": "file", "name": name, "hashes": [{"alg": "SHA-256", "content": sha256(name)}]} for name in part.files
    ]
    known = {"version": part.version, "purl": part.purl, "components": files}
    return {
        "type": part.kind,
        "bom-ref": part.purl or part.name,
        "name": part.name,
        "description": part.about,
        "licenses": [{"license": {"id": part.license}}],
        **{name: value for name, value in known.items() if value},
    }


def check(text: str) -> None:
    """SystemExit with a line where it is no CycloneDX."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    version = SchemaVersion.from_version(json.loads(text)["specVersion"])
    error = JsonStrictValidator(version).validate_str(text)
    if error is not None:
        sys.exit(f"chorus: expected valid CycloneDX, got {' '.join(str(error).split())[:300]}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist" / "sbom.json")
