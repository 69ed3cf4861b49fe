"""Known weaknesses of the installed packages, by pip-audit and the advisories of OSV.

python release/audit.py             make audit; 0: none known, 1: some, listed; 2: the advisories could not be asked
"""

import json
import subprocess
import sys

PATIENCE = 15  # seconds for an answer


def main() -> int:
    """Asked of OSV: PyPI's own service says nothing of a package where a mirror stands in for it, which reads as if
    nothing were known."""
    command = [sys.executable, "-m", "pip_audit", "--local", "--vulnerability-service", "osv", "--format", "json"]
    quiet = ["--progress-spinner", "off", "--timeout", str(PATIENCE)]
    done = subprocess.run([*command, *quiet], capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError):
        print(f"chorus: audit: expected an answer of the advisories, got {reason(done.stderr)}. Nothing was audited.")
        return 2
    asked = [package for package in packages if "vulns" in package]
    if not asked:
        print("chorus: audit: expected an answer of the advisories, got none for any package. Nothing was audited.")
        return 2
    found = [(package, known) for package in asked for known in package["vulns"]]
    for package, known in found:
        fixed = ", ".join(known["fix_versions"]) or "no version yet"
        print(f"{package['name']} {package['version']}: {known['id']}, mended in {fixed}")
    unknown = len(packages) - len(asked)
    print(f"{len(asked)} packages audited, {unknown} unknown to the advisories, {len(found)} weaknesses")
    return 1 if found else 0


def reason(stderr: str) -> str:
    """The last word of a stack trace, short."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    kind, _, rest = (lines[-1] if lines else "no word").partition(": ")
    return f"{kind.rpartition('.')[2]} ({rest[:90]})" if rest else kind


if __name__ == "__main__":
    sys.exit(main())
