"""What the benchmarks are told: known before an hour's work is begun."""

from __future__ import annotations

from argparse import ArgumentTypeError
from pathlib import Path

import pytest

from scripts import load_script

option_types = load_script("bench/option_types.py")


@pytest.mark.parametrize(
    ("text", "said"), [("0", "is 0; .* at least 1"), ("2.5", "be a whole number")]
)
def test_counts(text: str, said: str) -> None:
    assert option_types.at_least(1)("3") == 3
    with pytest.raises(ArgumentTypeError, match=said):
        option_types.at_least(1)(text)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e999"])
def test_amounts(text: str) -> None:
    assert option_types.above_zero("0.5") == 0.5
    with pytest.raises(ArgumentTypeError, match="more than 0, and finite"):
        option_types.above_zero(text)


def test_files_to_be_written(tmp_path: Path) -> None:
    assert option_types.new_file(str(tmp_path / "a.png")) == tmp_path / "a.png"
    (tmp_path / "file").touch()
    for parent in ("none", "file"):
        with pytest.raises(ArgumentTypeError, match="no writable folder"):
            option_types.new_file(str(tmp_path / parent / "a.png"))
    with pytest.raises(ArgumentTypeError, match="is a folder"):
        option_types.new_file(str(tmp_path))
