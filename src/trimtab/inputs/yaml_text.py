"""YAML from outside: one pass over its events checks every limit before anything is built from them."""

from __future__ import annotations

import math
import re
from collections import deque
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.resolver import BaseResolver

from trimtab.errors import SettingError
from trimtab.inputs.json_text import is_whole_text, shortened_key

Place = tuple[str | int, ...]
"""Where in a file something stands: keys and indices from the top."""

MAX_DEPTH = 32
MAX_NODES = 20_000
"""Values and keys, those behind aliases counted wherever they are used."""
MAX_INTEGER = 2**63 - 1

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SURROGATE_PAIR = re.compile(r"[\ud800-\udbff][\udc00-\udfff]")


def parse_yaml(text: str, source: str) -> tuple[Any, dict[Place, int]]:
    """What a YAML text says, and the line of every key.

    Args:
        text: the text.
        source: the file, or a word for where the text comes from; for messages.

    Raises:
        SettingError: with the line, for what is not YAML, more than a limit allows, or says two things at once.
    """
    try:
        loader = _Loader(_checked_events(text, source), source)
        node = loader.get_single_node()
        lines: dict[Place, int] = {}
        _note_lines(node, (), lines)
        return (None if node is None else loader.construct_document(node)), lines
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise SettingError(f"{source}:{line}: holds a character that YAML does not allow ({error.reason})") from None
    except yaml.MarkedYAMLError as error:
        where = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise SettingError(f"{source}{where}: not YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise SettingError(f"{source}: not YAML: {error}") from None


def _checked_events(text: str, source: str) -> deque[yaml.Event]:
    """The events of one document that stays within the limits; parsing events needs no recursion."""
    events: deque[yaml.Event] = deque()
    total, open_nodes = 0, 0
    begun: list[tuple[str | None, int]] = []  # anchor and number of nodes before it, of what is open
    sizes: dict[str, int] = {}  # nodes below each anchor
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        events.append(event)
        if tag := getattr(event, "tag", None):
            raise _fault(source, event, f"the tag {shortened_key(tag)} is not allowed here; leave it out")
        if isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in begun):
                raise _fault(source, event, f"the alias *{event.anchor} contains itself")
            total += sizes.get(event.anchor or "", 1)
        elif isinstance(event, yaml.ScalarEvent):
            total += 1
            sizes[event.anchor or ""] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            begun.append((event.anchor, total))
            total, open_nodes = total + 1, open_nodes + 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = begun.pop()
            open_nodes -= 1
            if anchor:
                sizes[anchor] = total - before
        if open_nodes > MAX_DEPTH:
            raise _fault(source, event, f"nested more than {MAX_DEPTH} deep")
        if total > MAX_NODES:
            raise _fault(source, event, f"holds more than {MAX_NODES:,} values, those behind aliases included")
    return events


class _Resolver(BaseResolver):
    """Which plain words are numbers, booleans or nothing: YAML 1.2's, and yes, no, on, off as YAML 1.1 has them.

    Unlike YAML 1.1, 9:18 is text and not 558, and 1e-3 is a number and not text.
    """


for _tag, _pattern, _first in (
    ("bool", r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", "yYnNtTfFoO"),
    ("int", r"[-+]?[0-9][0-9_]*|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(?:[0-9][0-9_]*\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
     "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):  # fmt: skip
    _Resolver.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), list(_first))


class _Loader(Composer, SafeConstructor, _Resolver):
    """Builds values from events that have been checked."""

    def __init__(self, events: deque[yaml.Event], source: str):
        Composer.__init__(self)
        SafeConstructor.__init__(self)
        _Resolver.__init__(self)
        self._events, self._source = events, source

    def check_event(self, *kinds: type[yaml.Event]) -> bool:
        """Whether the next event is of one of these kinds."""
        return bool(self._events) and (not kinds or isinstance(self._events[0], kinds))

    def peek_event(self) -> yaml.Event:
        """The next event, left in place."""
        return self._events[0]

    def get_event(self) -> yaml.Event:
        """The next event."""
        return self._events.popleft()

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """A mapping whose keys are texts and differ."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        first: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _fault(self._source, key, "a key must be a word, not a list or a mapping")
            if key.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"):
                raise _fault(self._source, key, f"the key {key.value!r} is not text; put it in quotes")
            if key.value in first:
                name = shortened_key(key.value)
                raise _fault(self._source, key, f"the key {name!r} is in line {first[key.value]} already; keep one")
            first[key.value] = key.start_mark.line + 1
        return node

    def construct_text(self, node: yaml.ScalarNode) -> str:
        """A text: whole characters, nothing that steers a terminal or ends a file name."""
        text = str(self.construct_scalar(node))
        # JSON, which YAML contains, writes characters beyond the 16 bits as two escapes.
        text = _SURROGATE_PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)
        if not is_whole_text(text):
            raise _fault(self._source, node, "half of a character (a lone \\ud… escape); write the whole character")
        if found := _CONTROL.search(text):
            raise _fault(self._source, node, f"a text holds the control character {found[0]!r}; leave it out")
        return text

    def construct_integer(self, node: yaml.ScalarNode) -> int:
        """A whole number of at most 64 bits."""
        text = str(self.construct_scalar(node)).replace("_", "")
        number = int(text, 16 if text.lower().startswith("0x") else 10) if len(text) <= 40 else MAX_INTEGER + 1
        if abs(number) > MAX_INTEGER:
            raise _fault(self._source, node, f"the number {shortened_key(text)} is too large")
        return number

    def construct_real(self, node: yaml.ScalarNode) -> float:
        """A number that is as large as written; .inf and .nan are what they say."""
        text = str(self.construct_scalar(node)).replace("_", "").lower()
        if text.lstrip("-+") in (".inf", ".nan"):
            return float(text.replace(".", ""))
        if math.isinf(number := float(text)):
            raise _fault(self._source, node, f"the number {shortened_key(text)} is too large")
        return number


_Loader.yaml_constructors = {
    "tag:yaml.org,2002:null": SafeConstructor.construct_yaml_null,
    "tag:yaml.org,2002:bool": SafeConstructor.construct_yaml_bool,
    "tag:yaml.org,2002:int": _Loader.construct_integer,
    "tag:yaml.org,2002:float": _Loader.construct_real,
    "tag:yaml.org,2002:str": _Loader.construct_text,
    "tag:yaml.org,2002:seq": SafeConstructor.construct_yaml_seq,
    "tag:yaml.org,2002:map": SafeConstructor.construct_yaml_map,
}


def _note_lines(node: Any, path: Place, lines: dict[Place, int]) -> None:
    """The line of every key; what an alias stands for is noted where it is used, with the lines of its anchor."""
    if node is None:
        return
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            place = (*path, key.value)
            lines[place] = key.start_mark.line + 1
            _note_lines(value, place, lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _note_lines(value, (*path, index), lines)


def _fault(source: str, place: Any, reason: str) -> SettingError:
    return SettingError(f"{source}:{place.start_mark.line + 1}: {reason}")
