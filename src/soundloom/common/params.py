"""``params.yaml``: how it is read, and what every section of it is checked by.

A section is a frozen pydantic model that stands in ``config.py`` of the folder whose code reads it.
A stage loads the sections it needs by :meth:`Section.load`; ``soundloom/config.py`` checks the
whole file, which ``src/stage.py`` does before any stage starts.
"""

from __future__ import annotations

import copy
import re
import reprlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError
from ruamel.yaml import YAML

from soundloom.common.errors import SoundloomError, first_line
from soundloom.common.paths import PARAMS_FILE


def only(holds: Callable[[Any], object], wanted: str) -> AfterValidator:
    """A check of a field: a value for which ``holds`` is false is refused; it "must ``wanted``"."""

    def check(value: Any) -> Any:
        if not holds(value):
            raise PydanticCustomError("not_allowed", "it must {wanted}", {"wanted": wanted})
        return value

    return AfterValidator(check)


Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Threads = Annotated[int, Field(ge=1, le=256)]
SampleRate = Annotated[int, Field(ge=8000, le=96_000)]
# What a file or folder can be called on any system; "" where a key says so.
PathText = Annotated[
    str, Field(max_length=4096), only(lambda text: "\0" not in text, "hold no null character")
]

# Values stand in errors, where nobody reads all of a long one.
_SHORTENED = reprlib.Repr()
_SHORTENED.maxstring = _SHORTENED.maxother = _SHORTENED.maxlong = 80

_MOST_FAULTS = 5  # told at once; of another program's file every key may be wrong


class Section(BaseModel):
    """Frozen and strict: "32" is no number, 1 is no text, an unknown key is a spelling mistake."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    key: ClassVar[str] = ""
    """What the section is called in the file; empty for the whole of it and for parts of one."""

    @classmethod
    def load(cls, path: Path = PARAMS_FILE) -> Self:
        """Read and check this section of ``path``, and no other.

        Raises :class:`SoundloomError` naming the file, the key, the value and what is allowed.
        """
        return cls.parse(read_params(path), str(path))

    @classmethod
    def parse(cls, document: Any, origin: str) -> Self:
        """Check this section of an already parsed file; ``origin`` names the file in errors."""
        if not isinstance(document, dict):
            raise SoundloomError(f"{origin}: it must hold sections of keys")
        if cls.key and cls.key not in document:
            raise SoundloomError(f"{origin}: {cls.key} is missing")
        try:
            return cls.model_validate(document[cls.key] if cls.key else document)
        except ValidationError as error:
            faults = [_explained(fault, cls.key) for fault in error.errors()]
            if more := len(faults) - _MOST_FAULTS:
                faults[_MOST_FAULTS:] = [f"and {more} more like these"] * (more > 0)
            raise SoundloomError(f"{origin}: {'; '.join(faults)}") from None


def parse_yaml(text: str) -> Any:
    """Read YAML as DVC itself does, by the same library: YAML 1.2, where ``5e-05`` is a number.

    YAML 1.1, which PyYAML reads, has it as text, ``010`` as eight and ``yes`` as true. Raises
    ``ruamel.yaml.YAMLError``, for a key that stands twice as well. DVC has libyaml parse, which
    says less well what is wrong.
    """
    return YAML(typ="safe", pure=True).load(text)


def read_params(path: Path = PARAMS_FILE) -> Any:
    """Parse a YAML file, unchecked but for its keys, which are text at any depth.

    :class:`SoundloomError` names one that is absent or broken, and a key that is a number, say.
    """
    try:
        document = parse_yaml(path.read_text(encoding="utf-8"))
        wrong = next(_keys_that_are_no_text(document), None)
    except FileNotFoundError:
        raise SoundloomError(f"{path}: no such file; run from the project's root") from None
    except OSError as error:
        raise SoundloomError(f"{path}: cannot be read: {error.strerror}") from None
    except Exception as error:  # ruamel's own, and those of the conversions it calls
        raise SoundloomError(f"{path}: not valid YAML: {_yaml_fault(error)}") from None
    if wrong:
        raise SoundloomError(f'{path}: {wrong} is no text; a key must be (1 is none, "1" is)')
    return document


def _keys_that_are_no_text(value: Any, place: str = "") -> Iterator[str]:
    """Each with the keys before it: "the key 1 in train"."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                yield f"the key {_shown(key)}{place and f' in {place}'}"
            yield from _keys_that_are_no_text(inner, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _keys_that_are_no_text(inner, f"{place}.{number}")


def with_keys(document: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a parsed params.yaml with some keys, ``section.key``, set to other values.

    Raises :class:`SoundloomError` for a key below a plain value.
    """
    changed = copy.deepcopy(dict(document))
    for key, value in changes.items():
        *sections, last = key.split(".")
        place = changed
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise SoundloomError(f"{key} is not a known key: {section} holds a value, no keys")
        place[last] = value
    return changed


def that_count(document: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a parsed params.yaml that outputs depend on, flattened: none of ``compute``."""
    return flattened({key: value for key, value in document.items() if key != "compute"})


def flattened(document: Mapping[str, Any], separator: str = ".") -> dict[str, Any]:
    """Nested groups as one: ``{"a": {"b": 1}}`` becomes ``{"a.b": 1}``, for any depth."""
    flat: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, Mapping):
            inner = flattened(value, separator).items()
            flat |= {
                f"{key}{separator}{inner_key}": inner_value for inner_key, inner_value in inner
            }
        else:
            flat[str(key)] = value
    return flat


def _explained(fault: Any, section: str) -> str:
    """A fault as key, value and what is allowed."""
    key = ".".join(str(part) for part in (section, *fault["loc"]) if part != "")
    message = fault["msg"].removeprefix("Value error, ")
    match fault["type"]:
        case "missing":
            return f"{key} is missing"
        case "extra_forbidden":
            return f"{_SHORTENED.repr(key)[1:-1]} is not a known key"
        case "value_error":  # ours: already names key, value and range within its section
            return f"{key}.{message}" if key else message
        case "model_type":
            return f"{key} is {_shown(fault['input'])}; it must be a section of keys"
        case _:
            allowed = re.sub(r"^\w+ should", "it must", message)
            return f"{key} is {_shown(fault['input'])}; {allowed}"


def _shown(value: Any) -> str:
    """A value for an error; the middle of a long one is left out."""
    try:
        return _SHORTENED.repr(value)
    except ValueError:  # Python does not write out integers of thousands of digits
        return "a number of thousands of digits"


def _yaml_fault(error: Exception) -> str:
    """What is wrong, and in which line."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or first_line(error)
    if problem.startswith("but "):
        problem = f"{getattr(error, 'context', '')}, {problem}"
    return f"{problem} (line {mark.line + 1})" if mark else problem
