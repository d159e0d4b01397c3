"""YAML files at the door: read with the line of every key, validated, every problem told at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from trimtab.errors import SettingError, nearest

Path_ = tuple[str | int, ...]
"""Where in a file something stands: keys and indices from the top."""

Kind = TypeVar("Kind")


class Strict(BaseModel):
    """Base of everything read from a file: unknown keys are refused, as a misspelled one would do nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def read_yaml(path: Path, what: str) -> tuple[Any, dict[Path_, int]]:
    """What a YAML file says, and the line of every key.

    Raises:
        SettingError: when it is missing or not YAML; `what` names the file in the message.
    """
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
        _refuse_loops(content, str(path))
    except FileNotFoundError:
        raise SettingError(f"{path}: no such {what}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"{path}: cannot be read ({error})") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}" if mark else ""
        raise SettingError(f"{path}{where}: not YAML: {getattr(error, 'problem', error)}") from None
    lines: dict[Path_, int] = {}
    _note_lines(node, (), lines)
    return content, lines


def validate(
    kind: type[Kind],
    content: Any,
    source: str,
    lines: Mapping[Path_, int] | None = None,
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
    try:
        return TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        problems = [_explain(e, source, lines or {}, owners or {}) for e in error.errors()]
        raise SettingError("\n".join(dict.fromkeys(problems))) from None


def _refuse_loops(content: Any, source: str, above: tuple[int, ...] = (), fine: set[int] | None = None) -> None:
    """Refuse an alias that contains itself: nothing could come to its end."""
    fine = set() if fine is None else fine
    if not isinstance(content, dict | list) or id(content) in fine:
        return
    if id(content) in above:
        raise SettingError(f"{source}: an alias contains itself")
    for value in content.values() if isinstance(content, dict) else content:
        _refuse_loops(value, source, (*above, id(content)), fine)
    fine.add(id(content))


def _note_lines(node: Any, path: Path_, lines: dict[Path_, int], seen: set[int] | None = None) -> None:
    seen = set() if seen is None else seen
    # An alias stands for a node that has its lines already; it may even contain itself.
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            place = (*path, key.value)
            lines[place] = key.start_mark.line + 1
            _note_lines(value, place, lines, seen)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _note_lines(value, (*path, index), lines, seen)


def _explain(error: Any, source: str, lines: Mapping[Path_, int], owners: Mapping[str, type[BaseModel]]) -> str:
    path = tuple(error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    # What is wrong between keys is told of what holds them; its message begins with the key to look at.
    place = (*path, message.partition(":")[0])
    known = next((lines[place[:n]] for n in range(len(place), -1, -1) if place[:n] in lines), None)
    where = f"{source}:{known}" if known else source
    name = ".".join(map(str, path)) or "the file"
    if error["type"] == "extra_forbidden":
        above = [key for key in reversed(path[:-1]) if isinstance(key, str)] + [""]
        owner = next(owners[key] for key in above if key in owners)
        return f"{where}: unknown key {str(path[-1])!r}{nearest(str(path[-1]), list(owner.model_fields), 'keys')}"
    if error["type"] == "missing":
        return f"{where}: {name} is missing"
    message = _PLAINLY.get(error["type"], message)
    return f"{where}: {name}: {message}" + (f" (not {error['input']!r})" if error["type"] == "literal_error" else "")


_PLAINLY = {
    "tuple_type": "is a list; write it as [one, two]",
    "list_type": "is a list; write it as [one, two]",
    "model_type": "holds settings of its own; write them below it, one a line, or {} for the defaults",
    "dict_type": "holds settings of its own; write them below it, one a line, or {} for the defaults",
}
