"""Keys as ground truth names them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundloom.common.errors import SoundloomError
from soundloom.common.pitch import MODES, Key


@given(st.integers(0, 11), st.sampled_from(MODES))
def test_names_of_keys_are_read_back(tonic: int, mode: str) -> None:
    key = Key(tonic, mode)
    assert Key.parse(key.name) == key


def test_a_key_is_named_as_musicians_name_it() -> None:
    assert Key(4, "minor").name == "E minor"
    assert Key.parse("F# mixolydian") == Key(6, "mixolydian")


@pytest.mark.parametrize("name", ["H minor", "E dorian", "E", ""])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(SoundloomError, match=f"key '{name}' is unknown: one of C, C#"):
        Key.parse(name)
