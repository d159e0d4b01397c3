"""Cleaning a raw reply before its answer is parsed: no thinking, no markup, one kind of brackets."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_THINKING = r"think|thinking|thought|reasoning"
_THINK_OPEN = re.compile(rf"[<\[](?:{_THINKING})[>\]]", re.IGNORECASE)
_THINK_CLOSE = re.compile(rf"[<\[]/(?:{_THINKING})[>\]]", re.IGNORECASE)
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)\s*<\|message\|>", re.IGNORECASE)

# Base models continue the dialogue: the next turn of "Human", and the answer to it, are not part of the reply.
_NEXT_TURN = re.compile(
    r"(?<=\S)\s*\n\s*(?:Human|User|Question|Q\s?\d*|###\s*(?:Human|User|Instruction|Question))\s*:|<\|\w+\|>|</s>"
)
_QUOTES = str.maketrans({"‘": "'", "’": "'", "‛": "'", "“": '"', "”": '"', "«": '"', "»": '"', "「": '"', "」": '"'})
_PICTURES = re.compile("[\u2600-\u27bf\u2b50\ufe0f\U0001f000-\U0001faff]+")
_STRUCK_OUT = re.compile(r"~~[^~\n]+~~")
_MARKED_RIGHT = re.compile(r"(?<![^\W_])([A-H])(?![^\W_])[^\n✅✔✓☑❌✗✘]{0,80}[✅✔✓☑]")
_ANSWERED_YES = re.compile(
    r"^\(?([A-H])[).:][ \t]*(?:yes|true|correct|right)[.!]?[ \t]*$", re.IGNORECASE | re.MULTILINE
)
_MARKED_WRONG = re.compile(
    r"[❌✗✘]|^\(?[A-H][).:][ \t]*(?:no|false|incorrect|wrong|not correct)[.!]?[ \t]*$", re.IGNORECASE | re.MULTILINE
)
_LONE_LABEL = re.compile(
    r"[^\w?+#&%]*(?:(?:option|letter|answer|choice|it's|it is|that's|i say|i choose|i pick|my answer"
    r"|i'd say)\W+){0,2}([A-Ha-h])[^\w?+#&%]*(?:please[^\w?+#&%]*)?",
    re.IGNORECASE,
)
_ARROWS = re.compile(r"<<|>>|‹|›")
_UNTICKED = re.compile(r"^[ \t]*[-*]?[ \t]*\[ \][^\n]*$", re.MULTILINE)
_TICKED = re.compile(r"^[ \t]*[-*]?[ \t]*\[[xX✓✔]\][ \t]*", re.MULTILINE)
# A model that does not stop continues with another question of the same kind and its options.
_NEXT_QUESTION = re.compile(r"(?<=\S)\s*\n\s*\n[^\n]{5,300}\?\s*\n\s*\(?A[).:]\s")
_BRACKETS = str.maketrans({"【": "(", "】": ")", "〔": "(", "〕": ")", "⟨": "(", "⟩": ")"})
_PRIVATE_USE = re.compile("[\ue000-\uf8ff]")

_LATEX_STYLE = re.compile(r"\\(?:text|textbf|mathrm|mathbf|textit)\s*\{([^{}]*)\}")
_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{([^{}]*)\}")
_ANSWER_TAG = re.compile(r"<(?:final_)?answer>(.*?)(?:</(?:final_)?answer>|\Z)", re.IGNORECASE | re.DOTALL)
_STYLE_TAG = re.compile(r"</?(?:b|i|u|em|strong|code)>", re.IGNORECASE)
_BREAK_TAG = re.compile(r"</?(?:br|p|div|h\d)\s*/?>", re.IGNORECASE)
_EMPHASIS = re.compile(r"[*`$]+|(?<!\w)_+|_+(?!\w)")
_LINE_START = re.compile(r"^[ \t]*(?:(?:>+|#{1,6}|[-*•–—+])[ \t]+|\d{1,2}[.)][ \t]+(?=\D))+", re.MULTILINE)
_LINE_START_NUMBERS_KEPT = re.compile(r"^[ \t]*(?:(?:>+|#{1,6}|[-*•–—+])[ \t]+)+", re.MULTILINE)


def clean(reply: str, labels: Sequence[str], numbers_matter: bool) -> str | None:
    """Remove thinking, later turns and markup; None when the thinking has not ended.

    Args:
        reply: The model's reply.
        labels: A label set apart by emphasis or quotes, **A**, is written "(A)".
        numbers_matter: Whether "1." at a line's start may be an answer, not the number of a list item.
    """
    answer = _without_thinking(reply)
    if answer is None:
        return None
    text = unicodedata.normalize("NFKC", _PRIVATE_USE.sub("", answer)).translate(_QUOTES).translate(_BRACKETS)
    text = _NEXT_TURN.split(text.strip(), maxsplit=1)[0]
    text = _NEXT_QUESTION.split(text, maxsplit=1)[0]
    if len(_TICKED.findall(text)) == 1:
        text = _TICKED.sub("answer: ", _UNTICKED.sub("", text))
    text = _STRUCK_OUT.sub(" ", text)
    for marked in (_MARKED_RIGHT, _ANSWERED_YES):
        chosen = marked.findall(text)
        if len(chosen) == 1 and chosen[0] in labels and len(_MARKED_WRONG.findall(text)) > 0:
            text = f"answer: ({chosen[0]})"
    text = _ARROWS.sub("", _PICTURES.sub(" ", text))
    lone = _LONE_LABEL.fullmatch(text)
    if lone and lone[1].upper() in labels and lone[1] != "a":
        return f"({lone[1].upper()})"
    text = re.sub(r"\A\s*(\(?)(\w)\s*(\)?)\s*:?\s*\Z", r"\1\2\3", text)
    return _without_markup(text, labels, numbers_matter).strip()


def _without_thinking(reply: str) -> str | None:
    channels = list(_CHANNEL.finditer(reply))
    if channels:
        return reply[channels[-1].end() :] if channels[-1][1].lower() == "final" else None
    # Some templates open the block in the prompt, so that the reply only closes it.
    closings = list(_THINK_CLOSE.finditer(reply))
    rest = reply[closings[-1].end() :] if closings else reply
    return None if _THINK_OPEN.search(rest) else rest


def _without_markup(text: str, labels: Sequence[str], numbers_matter: bool) -> str:
    text = _LATEX_STYLE.sub(r"\1", text)
    text = _BOXED.sub(r"\nanswer: \1\n", text)
    text = _ANSWER_TAG.sub(r"\nanswer: \1\n", text)
    text = _BREAK_TAG.sub("\n", _STYLE_TAG.sub("**", text))
    label = "|".join(map(re.escape, labels))
    text = re.sub(rf"(?:[*`]{{1,3}}|(?<!\w)[\"'])\(?({label})[).]?(?:[*`]{{1,3}}|[\"'](?!\w))", r"(\1)", text)
    text = (_LINE_START_NUMBERS_KEPT if numbers_matter else _LINE_START).sub("", text)
    return _EMPHASIS.sub("", text)
