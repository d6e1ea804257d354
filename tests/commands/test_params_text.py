"""Values set in the text of params.yaml: what is around them stays, and they are read back."""

from __future__ import annotations

import pytest

from params import REPOSITORY
from soundloom.commands.params_text import with_values
from soundloom.common.errors import SoundloomError
from soundloom.common.params import flattened, parse_yaml

TEXT = """\
# What this is.
dataset:
  source: builtin     # builtin | folder

  folder: {path: a}   # in one line
  conditioning:       # any of these
    [style, "harmony: plan"]
  half:   0.5         # s
"""


def test_what_is_not_set_stays_as_it_is() -> None:
    changes = {"dataset.source": "folder", "dataset.half": 12.25, "dataset.conditioning": [1, "b"]}
    assert with_values(TEXT, changes) == (
        TEXT.replace("builtin     #", "folder      #")
        .replace('[style, "harmony: plan"]', "[1, b]")
        .replace("0.5         #", "12.25       #")
    )


def test_a_long_value_moves_its_comment_no_further_than_needed() -> None:
    edited = with_values(TEXT, {"dataset.source": "longer than was there"})
    assert "  source: longer than was there # builtin | folder\n" in edited


def test_the_projects_own_file_keeps_its_lines_and_comments_whatever_is_set() -> None:
    text = (REPOSITORY / "params.yaml").read_text(encoding="utf-8")
    values = flattened(parse_yaml(text))
    wanted = {key: "other" if isinstance(value, str) else 7 for key, value in values.items()}
    edited = with_values(text, wanted)
    assert flattened(parse_yaml(edited)) == wanted

    def comments(text: str) -> list[str]:
        return [line.partition("#")[2] for line in text.splitlines()]

    assert comments(edited) == comments(text)


@pytest.mark.parametrize(
    "value",
    [
        "My Band (live)", "Motörhead/Live, at last [2001]", "it's", '"quoted"', "#1 hits", "a: b",
        "-dash", "$HOME ${x} $(id)", "back\\slash\\n", "a=b", "yes", "1e3", "~", "", " spaces ",
        "{x}", "*", "&a", "!b", "%c", "@d", "日本 🎸", "x" * 300 + " " + "y" * 300, "no\u00a0break",
    ],
)  # fmt: skip
def test_text_is_read_back_as_it_was(value: str) -> None:
    # On a line of its own, and within braces.
    wanted = {"dataset.source": value, "dataset.folder.path": value}
    edited = with_values(TEXT, wanted)
    assert flattened(parse_yaml(edited)).items() >= wanted.items()
    assert len(edited.splitlines()) == len(TEXT.splitlines())


def test_a_key_that_is_not_there_is_named() -> None:
    with pytest.raises(SoundloomError, match=r"params\.yaml: dataset\.rate is missing"):
        with_values(TEXT, {"dataset.rate": 1})


def test_what_would_be_read_otherwise_is_not_written() -> None:
    block = "a:\n  - 1\n  - 2\nb: 3\n"
    with pytest.raises(SoundloomError, match="edit it by hand"):
        with_values(block, {"a": [1]})
    anchors = "a: &x 1\nb: *x\n"
    with pytest.raises(SoundloomError, match="edit it by hand"):
        with_values(anchors, {"b": 2})
