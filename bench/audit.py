"""Known faults of the locked packages, by pip-audit: ``python bench/audit.py``.

It asks the package index about each, and needs one: where none is reached, that is said, status 0.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

# Faults that do not concern what is done here: id, and why.
EXCEPTIONS: dict[str, str] = {}


def main() -> None:
    """Audit both locks; status 1, with a line for each fault, when there are any."""
    with tempfile.TemporaryDirectory(prefix="audit-") as folder:
        python, report = Path(folder, "bin/python"), Path(folder, "report.json")
        steps: tuple[list[str | Path], ...] = (
            [sys.executable, "-m", "venv", folder],
            [python, "-m", "pip", "install", "--quiet", "pip-audit"],
            [
                *(python, "-m", "pip_audit", "--disable-pip", "--require-hashes"),
                *("--progress-spinner", "off", "--format", "json", "--output", report),
                *("--requirement", "requirements.lock"),
                *("--requirement", "requirements-scale.lock"),
            ],
        )
        for step in steps:
            done = subprocess.run(step, capture_output=True, text=True, check=False)
            # pip-audit's own status is 1 for faults, too: it has looked if it has written.
            if done.returncode != 0 and not report.exists():
                said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                print(f"audit: skipped, as no package index could be asked: {said}")
                return
        packages = json.loads(report.read_text(encoding="utf-8"))["dependencies"]
    known = [package for package in packages if "vulns" in package]
    if not known:
        print("audit: skipped, as the package index that was asked has no list of faults")
        return
    faults = [
        f"{package['name']} {package['version']}: {fault['id']}, mended in {fault['fix_versions']}"
        for package in known
        for fault in package["vulns"]
        if fault["id"] not in EXCEPTIONS
    ]
    print(f"audit: {len(packages)} packages, of which the index knows {len(known)}")
    print(f"audit: {len(faults)} known faults", *faults, sep="\n  ")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
