"""Damage to valid inputs that keeps most of their structure, so that it reaches beyond the first check."""

from __future__ import annotations

import copy
import random
from typing import Any

DEEP: Any = "x"
for _ in range(300):
    DEEP = [DEEP]

HOSTILE: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 0.5, -0.0, 1e308, 10**18, 10**30, -(10**30), float("nan"), float("inf"),
    "", " ", "\n", "\0", "\x1b]0;x\x07", "\u202e", "\ud83d", "\ufeff", "x" * 5000, "é" * 300, "../" * 50, "/dev/zero",
    "~nobody-here/x", "a" * 300, "1e400", "9" * 5000, "0:99999999999", "(" * 5000, "(a+)+$", "meta", "https://u:p@h/?k=1",
    [], {}, [[]], [None], [True], [1, "a"], {"": ""}, {"a": {"b": {}}}, ["x"] * 3000, DEEP,
)  # fmt: skip
BYTES = (
    b"\0", b"\xff", b"\xfe\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\x1b[2J", b"\r", b"\n\n", b"[" * 2000, b"{" * 2000,
    b"- " * 2000, b"&a ", b"*a", b"<<: ", b"!!python/object:os.system ", b"!!int x", b"? ", b"---\n", b"%YAML 9.9\n",
    b'"\\ud800"', b"1e400", b"9" * 5000, b": ", b"'", b'"', b"NaN", b"\xed\xa0\x80", b"\t", b"# x\n", b"|\n", b"@",
)  # fmt: skip


def mutated_tree(value: Any, source: random.Random) -> Any:
    """A JSON value with one to three of its parts replaced, dropped, doubled or renamed."""
    value = copy.deepcopy(value)
    for _ in range(source.choice((1, 1, 1, 2, 3))):
        value = _mutated_once(value, source)
    return value


def mutated_bytes(content: bytes, source: random.Random) -> bytes:
    """Bytes with one to three places overwritten, cut out, doubled, or with something put in between."""
    for _ in range(source.choice((1, 1, 2, 3))):
        at = source.randrange(len(content) + 1)
        behind = min(len(content), at + source.choice((0, 1, 1, 4, 8, 40)))
        kind = source.randrange(5)
        if kind == 0:
            content = content[:at]
        elif kind == 1:
            content = content[:at] + content[behind:]
        elif kind == 2:
            content = content[:at] + content[at:behind] * source.choice((2, 50)) + content[behind:]
        elif kind == 3:
            content = content[:at] + source.choice(BYTES) + content[behind:]
        else:
            content = content[:at] + source.randbytes(behind - at) + content[behind:]
    return content


def _mutated_once(value: Any, source: random.Random) -> Any:
    places = list(_places(value))
    if not places or source.random() < 0.03:
        return copy.deepcopy(source.choice(HOSTILE))
    owner, key = source.choice(places)
    kind = source.randrange(6)
    if kind <= 2:
        owner[key] = copy.deepcopy(source.choice(HOSTILE))
    elif kind == 3:
        del owner[key]
    elif kind == 4 and isinstance(owner, dict):
        owner[source.choice(("", key.upper(), f"{key}s", "\0", "\x1b[2J", "__class__", "x" * 300))] = owner.pop(key)
    elif isinstance(owner, list):
        owner += owner * source.choice((1, 100))
    else:
        owner[f"{key}_"] = owner[key]
    return value


def _places(value: Any) -> Any:
    left = [value]
    while left:
        owner = left.pop()
        if isinstance(owner, dict | list):
            keys = list(owner) if isinstance(owner, dict) else range(len(owner))
            for key in keys:
                yield owner, key
                left.append(owner[key])
