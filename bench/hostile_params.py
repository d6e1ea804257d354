"""Set every key of params.yaml to wrong types and extremes: refused in clear words, or right.

The whole file is checked with one key changed at a time. A value is *accepted* only if it is of the
key's type and within what the key's own comment says, or *refused* in one line that names key,
value and what is allowed; one within its range, with the key that it does not agree with. Anything
else is a failure.
"""

from __future__ import annotations

import argparse
import collections
import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "helpers"))


def main() -> None:
    """Print a table of counts, a row a section; leave with status 1 if there was a failure."""
    argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0]).parse_args()
    from hostile_params import WRONG, document, documented, extremes, judge

    counts = collections.Counter[tuple[str, str]]()
    sections = [key for key, value in document().items() if isinstance(value, dict)]
    tries = [(key, value) for key in documented() for value in (*WRONG, *extremes(key))]
    for key, value in tries:
        try:
            outcome = judge(key, value)
        except Exception:
            outcome = "failed"
            print(f"\n{key}, {str(value)[:80]}:")
            traceback.print_exc()
        counts[key.partition(".")[0], outcome] += 1
    outcomes = ("refused", "accepted", "failed")
    print("| section | keys | values | refused | accepted | failures |")
    print("|---|--:|--:|--:|--:|--:|")
    for section in sections:
        row = [counts[section, outcome] for outcome in outcomes]
        n_keys = sum(key.startswith(f"{section}.") for key in documented())
        print(f"| {section} | {n_keys} | {sum(row)} | {' | '.join(map(str, row))} |")
    total = [sum(counts[section, outcome] for section in sections) for outcome in outcomes]
    print(f"| all | {len(documented())} | {sum(total)} | {' | '.join(map(str, total))} |")
    sys.exit(1 if total[2] else 0)


if __name__ == "__main__":
    main()
