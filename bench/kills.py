"""Kill every stage at random moments, run it again, and compare what comes out with what should.

Builds the tiny project of the tests in a temporary folder (some minutes) and kills its stages; one
kill in 25 is one of `dvc repro` with all its processes. Prints a table, and what failed; the status
is then 1.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from option_types import at_least  # type: ignore[import-not-found]
from tqdm import tqdm

from soundloom.common.threads import one_thread_for_linear_algebra

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "helpers"))


def main() -> None:
    """Kill, and print."""
    one_thread_for_linear_algebra()
    from kills import Kills
    from projects import Project

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=at_least(1), default=220, help="how many, of all stages")
    parser.add_argument("--seed", type=int, default=0, help="which moments")
    parser.add_argument("--built", type=Path, help="a built copy, which stays as it is")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        built = Project(arguments.built) if arguments.built else Project.copy(Path(folder, "first"))
        if not arguments.built:
            built.repro()
        project = built.duplicate(Path(folder, "project"))
        kills = Kills(project, arguments.seed)
        order = tqdm(kills.order(arguments.kills), total=arguments.kills, desc="kills", unit="kill")
        for number, stage in enumerate(order, start=1):
            if number % 25 == 0:
                kills.kill_under_dvc(stage)
            else:
                kills.kill(stage)
            if stage in ("train", "track"):
                kills.check_runs(after=stage)
        print(kills.table())
        for fault in kills.faults():
            print(fault)
    raise SystemExit(1 if kills.faults() else 0)


if __name__ == "__main__":
    main()
