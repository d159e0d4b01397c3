"""Control characters and invisible ones: escaped on terminals, refused in names."""

from __future__ import annotations

import re

_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Marks, embeddings, overrides and isolates: a text with them is not in the order in which it is read."""
_UNSEEN = "\u200b\u2028\u2029\u2060-\u2064\u206a-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"
"""Separators, joiners without a width, and tags. The joiners of Persian and of emoji, U+200C and U+200D, are text."""

_SHOWN_ESCAPED = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff{_BIDI}{_UNSEEN}]")
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Control characters other than tab and line feed."""
_NOT_FOR_NAMES = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{_BIDI}]")


def escaped(text: str) -> str:
    r"""A text as a terminal may show it: what would steer the terminal, or cannot be seen, as \x1b or \u202e."""
    return _SHOWN_ESCAPED.sub(_python_escape, text.replace("\r\n", "\n"))


def escaped_json(text: str) -> str:
    """The same JSON text, safe for a terminal: such characters become JSON escapes."""
    return _SHOWN_ESCAPED.sub(_json_escape, text)


def control_character(text: str) -> str:
    """The first control character of a text, as a person would write it; empty if it has none."""
    found = CONTROL.search(text)
    return _python_escape(found) if found else ""


def character_not_for_names(name: str) -> str:
    """The first character that a name must not hold, as "the control character U+001B"; empty if it has none.

    Control characters, line and paragraph separators, halves of characters, and what turns the direction of writing.
    """
    found = _NOT_FOR_NAMES.search(name)
    return f"the control character U+{ord(found[0]):04X}" if found else ""


def _python_escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if found[0] == "\r":
        return "\\r"
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _json_escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
