"""YAML files of users: read with the line of every key, validated, with all problems in one error."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from trimtab._util.suggest import hint
from trimtab.errors import SettingError
from trimtab.inputs.bounded_files import FileKind, read_text
from trimtab.inputs.characters import control_character
from trimtab.inputs.json_text import is_whole_text
from trimtab.inputs.secrets import is_secret_name, secret_in
from trimtab.inputs.strict_settings import Strict
from trimtab.inputs.yaml_text import Place, parse_yaml

__all__ = ["Strict", "read_yaml", "validate"]

MAX_FILE_BYTES = 256 * 2**10
MAX_TEXT = 4096
"""Characters of a name, a path, a pattern."""
MAX_NESTING = 32

Kind = TypeVar("Kind")


def read_yaml(path: Path, what: str) -> tuple[Any, dict[Place, int]]:
    """What a YAML file says, and the line of every key.

    Raises:
        SettingError: when it is missing or not YAML; `what` names the file in the message.
    """
    return parse_yaml(read_text(path, FileKind(what, MAX_FILE_BYTES, SettingError)), str(path))


def validate(
    kind: type[Kind],
    content: Any,
    source: str,
    lines: Mapping[Place, int] | None = None,
    owners: Mapping[str, type[BaseModel]] | None = None,
) -> Kind:
    """Parse content as `kind`; every problem at once, with its line where there is one.

    Args:
        kind: What it should be.
        content: What a file or the options say.
        source: The file, or a word for where the content comes from.
        lines: The line of every key.
        owners: Which settings stand under which key, "" for the top; for naming the nearest right key.

    Raises:
        SettingError: for unknown keys (with the nearest right one) and wrong values.
    """
    lines = lines or {}
    unfit = dict(_unfit_values(content))
    problems = [f"{_where(source, place, lines)}: {_named(place)}: {reason}" for place, reason in unfit.items()]
    try:
        made = TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        others = [e for e in error.errors() if tuple(e["loc"]) not in unfit and not _follows(e, error.errors())]
        problems += [_explain(e, source, lines, owners or {}) for e in others]
        raise SettingError("\n".join(dict.fromkeys(problems))) from None
    except RecursionError:
        raise SettingError(f"{source}: nested more than {MAX_NESTING} deep") from None
    if problems:
        raise SettingError("\n".join(problems))
    return made


def _follows(error: Any, others: Sequence[Any]) -> bool:
    """Whether a list is called too short only because what is in it is wrong."""
    place = tuple(error["loc"])
    inside = (tuple(other["loc"]) for other in others)
    return error["type"] == "too_short" and any(len(one) > len(place) and one[: len(place)] == place for one in inside)


def _unfit_values(content: Any) -> Iterator[tuple[Place, str]]:
    """Find values that no setting may have: no file, table or report could hold them."""
    left: list[tuple[Place, Any]] = [((), content)]
    while left:
        place, value = left.pop()
        if len(place) > MAX_NESTING:
            yield place[:MAX_NESTING], f"nested more than {MAX_NESTING} deep"
        elif isinstance(value, Mapping):
            left += [((*place, key if isinstance(key, int) else str(key)), inner) for key, inner in value.items()]
        elif isinstance(value, list | tuple):
            left += [((*place, index), inner) for index, inner in enumerate(value)]
        elif isinstance(value, float) and not math.isfinite(value):
            yield place, f"{value} is not a finite number"
        elif isinstance(value, str | Path) and (reason := _unfit_text(str(value), place)):
            yield place, reason


def _unfit_text(text: str, place: Place) -> str:
    if not is_whole_text(text):
        return "holds half of a character (a lone surrogate); write the whole character"
    if found := control_character(text):
        return f"holds the control character {found}; leave it out"
    if len(text) > MAX_TEXT:
        return f"has {len(text):,} characters, more than {MAX_TEXT:,}"
    name = next((key for key in reversed(place) if isinstance(key, str)), "")
    # A base_url has stricter rules of its own.
    found = secret_in(text) if name != "base_url" else ""
    if found or (text and is_secret_name(name)):
        return (
            f"holds {found or 'a key'}, which would go into the run and its report; put keys into the environment, "
            "as inspect_ai and the hub do"
        )
    return ""


def _where(source: str, place: Place, lines: Mapping[Place, int]) -> str:
    known = next((lines[place[:n]] for n in range(len(place), -1, -1) if place[:n] in lines), None)
    return f"{source}:{known}" if known else source


def _named(place: Place) -> str:
    return ".".join(map(str, place)) or "the file"


def _explain(error: Any, source: str, lines: Mapping[Place, int], owners: Mapping[str, type[BaseModel]]) -> str:
    path = tuple(error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    # A problem between keys has the place of their mapping; its message begins with the key to look at.
    place = (*path, message.partition(":")[0])
    where, name = _where(source, place, lines), _named(path)
    if error["type"] == "extra_forbidden":
        above = [key for key in reversed(path[:-1]) if isinstance(key, str)] + [""]
        owner, key = next(owners[key] for key in above if key in owners), str(path[-1])
        if (new := _RENAMED.get(key)) in owner.model_fields:
            return f"{where}: unknown key {key!r}; it is called {new} now"
        return f"{where}: unknown key {key!r}{hint(key, list(owner.model_fields), 'keys')}"
    if error["type"] == "missing":
        return f"{where}: {name} is missing"
    message = _PLAINLY.get(error["type"], message)
    return f"{where}: {name}: {message}" + (f" (not {error['input']!r})" if error["type"] == "literal_error" else "")


_RENAMED = {"floor": "min_coherence"}
"""Keys that had another name, where no present key is called so."""
_PLAINLY = {
    "tuple_type": "is a list; write it as [one, two]",
    "list_type": "is a list; write it as [one, two]",
    "model_type": "holds settings; write them below it, one a line, or {} for the defaults",
    "dict_type": "holds settings; write them below it, one a line, or {} for the defaults",
}
