"""How params.yaml is read: as YAML 1.2, by sections, with errors of one line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from params import REPOSITORY
from soundloom.common.errors import SoundloomError
from soundloom.common.params import Section, flattened, parse_yaml, read_params, with_keys


class Baking(Section):
    """A section as those of the project are."""

    key = "baking"

    minutes: float
    loaves: int


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5e-05", 5e-05),
        ("5.0e-05", 5e-05),
        ("010", 10),
        ("0o10", 8),
        ("yes", "yes"),
        ("off", "off"),
        ("true", True),
        ("12:30:00", "12:30:00"),
        ("1_000", 1000),
        ('""', ""),
        ("", None),
        ("[a, 2]", ["a", 2]),
    ],
)
def test_values_are_those_of_yaml_1_2_as_dvc_reads_them(text: str, value: object) -> None:
    from dvc.utils.serialize import parse_yaml as parse_as_dvc

    document = f"key: {text}\n"
    for parsed in (parse_yaml(document), parse_as_dvc(document, "params.yaml")):
        found = parsed["key"]
        assert found == value
        assert type(found) is type(value)


def test_params_are_what_dvc_reads() -> None:
    from dvc.utils.serialize import parse_yaml as parse_as_dvc

    path = REPOSITORY / "params.yaml"
    text = path.read_text(encoding="utf-8")
    assert parse_as_dvc(text, path) == parse_yaml(text)


def test_dvc_reads_by_way_of_libyaml() -> None:
    """With the plain parser, `dvc repro` takes half as long again to find nothing to do."""
    assert YAML(typ="safe").Parser.__module__.endswith("_ruamel_yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train:\n  seed: 1\n  seed: 2\n", r'found duplicate key "seed" .* \(line 3\)'),
        ("train: [", r"expected the node content, but found '<stream end>' \(line 1\)"),
        ("\ttrain: 1", r"character '\\t' that cannot start any token \(line 1\)"),
        ("a: 1\n---\nb: 2\n", r"expected a single document .*another document \(line 2\)"),
        ("a: !!python/object:os.system 1\n", "could not determine a constructor for the tag"),
        ("a: \0\n", "special characters are not allowed"),
        (f"a: {'9' * 5000}\n", "Exceeds the limit"),
        ("a: 2026-13-45\n", "month must be in"),
        ("a: " + "[" * 5000, "recursion"),
        ("a: &a {b: *a}\n", "recursion"),
    ],
)
def test_what_is_no_yaml_is_said_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(
        SoundloomError, match=rf"broken\.yaml: not valid YAML: .*{message}"
    ) as error:
        read_params(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("1: x\n", "the key 1"),
        ("a: 2\ntrue: y\n", "the key True"),
        ("a: {b: {null: y}}\n", "the key None in a.b"),
        ("a: [{c: {1.5: y}}]\n", "the key 1.5 in a.0.c"),
        ("a:\n  ? [b, c]\n  : y\n", "the key ('b', 'c') in a"),
    ],
)
def test_a_key_that_is_no_text_is_named(tmp_path: Path, text: str, key: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SoundloomError, match=re.escape(f"params.yaml: {key} is no text; a key")):
        read_params(path)


def test_a_file_that_is_absent_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(SoundloomError, match=r"params\.yaml: no such file; run from the project's"):
        read_params(tmp_path / "params.yaml")
    with pytest.raises(SoundloomError, match="cannot be read: Is a directory"):
        read_params(tmp_path)
    (tmp_path / "params.yaml").write_bytes(b"a: caf\xe9\n")
    with pytest.raises(SoundloomError, match=r"params\.yaml: not valid YAML: .*can't decode byte"):
        read_params(tmp_path / "params.yaml")


def test_a_section_is_read_whatever_the_others_hold(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("baking: {minutes: 4e+1, loaves: 2}\neating: {how: no}\n", encoding="utf-8")
    assert Baking.load(path) == Baking(minutes=40.0, loaves=2)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"baking": {"minutes": 40}}, r"^params\.yaml: baking\.loaves is missing$"),
        ({"baking": {"minutes": 40, "loaves": 2, "salt": 1}}, r"baking\.salt is not a known key$"),
        (
            {"baking": {"minutes": "40", "loaves": 2}},
            r"minutes is '40'; it must be a valid",
        ),
        ({"baking": {"minutes": 40, "loaves": 2.5}}, r"baking\.loaves is 2\.5; it must be a valid"),
        (
            {"baking": {"minutes": 40, "loaves": True}},
            r"loaves is True; it must be a valid",
        ),
        ({"baking": {"minutes": float("inf"), "loaves": 2}}, r"baking\.minutes is inf; .*finite"),
        ({"baking": {}}, r"baking\.minutes is missing; baking\.loaves is missing$"),
        ({"baking": None}, r"baking is None; it must be a section of keys"),
        (
            {"baking": {"minutes": "x" * 10**6, "loaves": 2}},
            r"minutes is '[x.]{70,90}'; it must be",
        ),
        ({"baking": {"minutes": 10**5000, "loaves": 2}}, r"minutes is a number of thousands of"),
        ({"eating": {}}, r"^params\.yaml: baking is missing$"),
        (["baking"], r"^params\.yaml: it must hold sections of keys$"),
        (None, r"^params\.yaml: it must hold sections of keys$"),
    ],
)
def test_a_wrong_section_is_named_with_key_value_and_what_is_allowed(
    document: Any, message: str
) -> None:
    with pytest.raises(SoundloomError, match=message):
        Baking.parse(document, "params.yaml")


def test_a_section_is_frozen() -> None:
    section = Baking(minutes=40.0, loaves=2)
    with pytest.raises(ValueError, match="frozen"):
        section.loaves = 3  # type: ignore[misc]


def test_keys_changed_in_a_copy() -> None:
    document = {"a": {"b": 1, "c": [1]}, "d": 2}
    assert with_keys(document, {"a.b": 3, "e.f.g": 4}) == {
        "a": {"b": 3, "c": [1]}, "d": 2, "e": {"f": {"g": 4}},
    }  # fmt: skip
    assert document == {"a": {"b": 1, "c": [1]}, "d": 2}


def test_a_key_below_a_plain_value_is_named() -> None:
    with pytest.raises(SoundloomError, match=r"a\.b\.c is not a known key: b holds a value"):
        with_keys({"a": {"b": 1}}, {"a.b.c": 2})


def test_flattened_keys_set_anew_give_the_document_again() -> None:
    document = {"a": {"b": {"c": 1, "d": [1, 2]}, "e": ""}, "f": None}
    flat = flattened(document)
    assert flat == {"a.b.c": 1, "a.b.d": [1, 2], "a.e": "", "f": None}
    assert with_keys({}, flat) == document
    assert list(flattened(document, "/")) == ["a/b/c", "a/b/d", "a/e", "f"]


def test_of_very_many_faults_a_few_are_told() -> None:
    unknown = {f"key_{number}": 0 for number in range(9)}
    with pytest.raises(SoundloomError) as told:
        Baking.parse({"baking": {"minutes": 40, "loaves": 1, **unknown}}, "params.yaml")
    faults = str(told.value).split("; ")
    assert faults[0] == "params.yaml: baking.key_0 is not a known key"
    with pytest.raises(SoundloomError, match=r"baking\.x{30,}\.\.\.x{30,} is not a known key$"):
        Baking.parse({"baking": {"minutes": 40.0, "loaves": 1, "x" * 9000: 0}}, "params.yaml")
    assert faults[4:] == ["baking.key_4 is not a known key", "and 4 more like these"]
