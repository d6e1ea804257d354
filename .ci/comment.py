"""What a branch changes in numbers, curves and spectrograms, as Markdown with pictures beside it.

``python .ci/comment.py BASE HEAD FOLDER`` writes ``comment.md`` and its pictures to FOLDER: HEAD
beside the commit at which it left BASE. Numbers and curves are those the two commits hold in
metrics/, spectrograms come from DVC's cache or remote. Nothing is trained or generated, and the
workspace is left alone: a rebuild on another processor would add differences of its own.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from soundloom.common.errors import SoundloomError, first_line, run_or_exit, warn
from soundloom.common.io import write_text
from soundloom.common.paths import GENERATED_FOLDER, HISTORY_FILE
from soundloom.experiments.repository import ask_git, command
from soundloom.figures.canvas import ACCENT, GREY, figure_at

# Shown at once, by file and name as `dvc metrics diff` has them; all others are folded away.
MATTER = re.compile(
    r"metrics/train\.json val_loss|metrics/evaluate\.json "
    r"(fad|kad|tags|ears\..*fad|frame_change_ratio|novelty\.near_copies|truth\..*)"
)
# GitHub takes 65536 characters; a row has about 90.
MOST_ROWS = 400
PROMPTS = ("00", "01")


def main() -> None:
    """Write the comment of the commits on the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("base", help="the branch or commit to compare with")
    parser.add_argument("head", help="the branch or commit that changes something")
    parser.add_argument("folder", type=Path, help="where comment.md and its pictures go")
    arguments = parser.parse_args()
    head = commit_of(arguments.head)
    base = command("git", "merge-base", commit_of(arguments.base), head).strip()
    write_comment(base, head, arguments.folder)


def commit_of(name: str) -> str:
    """The full hash of a commit; :class:`SoundloomError` where there is none of that name."""
    found = ask_git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if not found:
        raise SoundloomError(f"{name}: no commit here; give a branch, a tag or a hash")
    return found.strip()


def write_comment(base: str, head: str, folder: Path) -> None:
    """Write ``comment.md``, and the pictures that it shows, to ``folder``."""
    before, now = base[:7], head[:7]
    draw_losses(base, head, folder / "loss.png")
    parts = [
        f"### {before} → {now}",
        "\n".join(table(base, head, "params")) or "No parameter differs.",
        *numbers(base, head),
        "![Loss by epoch](loss.png)",
        *spectrograms(base, head, folder),
    ]
    write_text(folder / "comment.md", "\n\n".join(parts) + "\n")


def table(base: str, head: str, what: str) -> list[str]:
    """The table of `dvc params diff` or `dvc metrics diff`, by lines; none if nothing differs."""
    text = command("dvc", what, "diff", base, head, "--md").replace(base, base[:7])
    lines = text.replace(head, head[:7]).strip().splitlines()
    # DVC pads every cell to the widest of its column, which may be a sentence.
    return [f"| {' | '.join(cells(line))} |" for line in lines] if len(lines) > 2 else []


def numbers(base: str, head: str) -> Iterator[str]:
    """The numbers that matter, then all others, folded away."""
    lines = table(base, head, "metrics")
    titles, rows = lines[:2], lines[2:]
    if not rows:
        yield "No number differs."
        return
    first = [row for row in rows if MATTER.fullmatch(" ".join(cells(row)[:2]))]
    others = [row for row in rows if row not in first]
    if first:
        yield "\n".join([*titles, *first])
    if others:
        yield f"<details><summary>{len(others)} other numbers differ</summary>"
        yield "\n".join([*titles, *others[:MOST_ROWS]])
        if len(others) > MOST_ROWS:
            yield f"The others: `dvc metrics diff {base[:7]} {head[:7]}`"
        yield "</details>"


def cells(row: str) -> list[str]:
    """What stands in a row of a Markdown table."""
    found = [cell.strip() for cell in row.strip("|").split("|")]
    return ["---" if set(cell) == {"-"} else cell for cell in found]


def draw_losses(base: str, head: str, path: Path) -> None:
    """Draw both losses of both commits by epoch."""
    with figure_at(path, "Loss by epoch") as (_, axes):
        for commit, colour in ((base, GREY), (head, ACCENT)):
            rows = read_history(commit)
            for name, style in (("loss", ":"), ("val_loss", "-")):
                epochs = [float(row["epoch"]) for row in rows]
                losses = [float(row[name]) for row in rows]
                label = f"{name}, {commit[:7]}"
                axes.plot(epochs, losses, style, color=colour, label=label)
        axes.set(xlabel="epoch", ylabel="loss")
        axes.legend()


def read_history(commit: str) -> Sequence[Mapping[str, str]]:
    """Rows of ``metrics/history.csv`` in a commit; none where it has no such file."""
    text = ask_git("show", f"{commit}:./{HISTORY_FILE.as_posix()}")
    return list(csv.DictReader((text or "").splitlines()))


def spectrograms(base: str, head: str, folder: Path) -> Iterator[str]:
    """What was made before and now, side by side, and what really followed the same prompt."""
    columns = {"before": (base, "sample"), "now": (head, "sample"), "real": (head, "real")}
    found = {
        f"{column}_{prompt}.png": fetched(commit, f"{kind}_{prompt}.png")
        for prompt in PROMPTS
        for column, (commit, kind) in columns.items()
    }
    before, now = ([found[f"{w}_{prompt}.png"] for prompt in PROMPTS] for w in ("before", "now"))
    if not any(now):
        yield f"The spectrograms of {head[:7]} are in no cache or remote of DVC's: `dvc push` them."
    elif before == now:
        yield "The audio looks the same: its spectrograms are, byte for byte."
    else:
        for name, content in found.items():
            if content:
                (folder / name).write_bytes(content)
        rows = [
            [f"![{name}]({name})" if found[name] else "" for name in found if prompt in name]
            for prompt in PROMPTS
        ]
        titles = [f"generated, {base[:7]}", f"generated, {head[:7]}", "what really followed"]
        yield "\n".join(f"| {' | '.join(row)} |" for row in [titles, ["---"] * 3, *rows])


def fetched(commit: str, picture: str) -> bytes | None:
    """A spectrogram that a commit holds, from DVC's cache or its remote; None from neither."""
    try:
        return _files_of(commit).read_bytes(f"{GENERATED_FOLDER.as_posix()}/spectrograms/{picture}")
    except Exception as error:  # DVC's index and each kind of remote raise their own
        warn(f"{picture} of {commit[:7]}: {first_line(error)}")
        return None


@cache
def _files_of(commit: str) -> Any:
    from dvc.api import DVCFileSystem

    return DVCFileSystem(rev=commit)


if __name__ == "__main__":
    run_or_exit(main)
