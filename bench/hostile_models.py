"""Load damaged, foreign and ill-meant model folders: refused by name, or right, and no third.

Small folders of the three models are damaged in one way each, loaded as `soundloom generate` does,
and continue a prompt. Half of what befalls any file is done by somebody who writes the sums anew,
and so is all that changes what whole files hold. A folder is *refused* in one line that names the
file, or *accepted* and gives finite audio of the length asked for. Anything else is a failure: any
other error, more than a minute, more than 300 MB of memory.
"""

from __future__ import annotations

import argparse
import collections
import shutil
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import NoReturn

import psutil
from option_types import at_least  # type: ignore[import-not-found]

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "helpers"))

MOST_SECONDS, MOST_BYTES = 60, 300_000_000


def main() -> None:
    """Print a table of counts; leave with status 1 if there was a failure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--each", type=at_least(1), default=32, help="folders a model and damage")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    from hostile_models import ANYTHING, NAMES, THOROUGH, UNSUMMED, damaged, judge
    from soundloom.common.keras_setup import start_keras

    signal.signal(signal.SIGALRM, _too_long)
    process, counts = psutil.Process(), collections.Counter[tuple[str, bool, str]]()
    folder = Path(tempfile.mkdtemp()) / "generator"
    ways = [(damage, sums_anew) for damage in ANYTHING for sums_anew in (False, True)]
    ways += [(damage, False) for damage in UNSUMMED] + [(damage, True) for damage in THOROUGH]
    for damage, sums_anew in ways:
        for name in NAMES:
            start_keras(0, threads=1)  # or layers of thousands of networks would be kept
            for number in range(arguments.each):
                seed = arguments.seed * arguments.each + number
                damaged(name, damage, seed, folder, sums_anew=sums_anew)
                before = process.memory_info().rss
                signal.alarm(MOST_SECONDS)
                try:
                    outcome = judge(folder)
                    grown = process.memory_info().rss - before
                    assert grown < MOST_BYTES, f"{grown} bytes more"
                except Exception:
                    outcome = "failed"
                    print(f"\n{damage.__name__}, {name}, {seed=}, {sums_anew=}:")
                    traceback.print_exc()
                finally:
                    signal.alarm(0)
                counts[damage.__name__, sums_anew, outcome] += 1
                shutil.rmtree(folder)
    print("\n| what was done | sums written anew | folders | refused | accepted | failures |")
    print("|---|---|--:|--:|--:|--:|")
    outcomes = ("refused", "accepted", "failed")
    for damage, sums_anew in ways:
        row = [counts[damage.__name__, sums_anew, outcome] for outcome in outcomes]
        cells = (damage.__name__.replace("_", " "), "yes" if sums_anew else "no", sum(row), *row)
        print(f"| {' | '.join(map(str, cells))} |")
    total = [
        sum(count for (*_, outcome), count in counts.items() if outcome == wanted)
        for wanted in outcomes
    ]
    print(f"| all | | {' | '.join(map(str, (sum(total), *total)))} |")
    sys.exit(1 if total[2] else 0)


def _too_long(*_: object) -> NoReturn:
    raise TimeoutError(f"more than {MOST_SECONDS} s")


if __name__ == "__main__":
    main()
