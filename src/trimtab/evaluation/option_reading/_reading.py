"""Parsing answers: the option that a reply chooses, or the reason why none can be parsed."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from trimtab.errors import SettingError
from trimtab.evaluation.option_reading._assent import without_double_negations
from trimtab.evaluation.option_reading._cleaning import clean
from trimtab.evaluation.option_reading._mentions import MARK, MarkedText, mark
from trimtab.evaluation.option_reading._option_claims import claims, settling_claim
from trimtab.evaluation.option_reading._paraphrases import read_wording
from trimtab.evaluation.option_reading._stems import with_digits
from trimtab.evaluation.option_reading._translation import translated

Reason = Literal[
    "letter",
    "text",
    "yes/no",
    "wording",
    "elimination",
    "refusal",
    "ambiguous",
    "absent",
    "unfinished thinking",
    "empty",
]

_REFUSAL = re.compile(
    r"\b(?:(?:can't|cannot|can not|won't|unable to|not able to|am not going to|rather not|not comfortable) (?:\w+ )?"
    r"(?:help|assist|answer|choose|pick|comply|provide|discuss|say|select|make|decide|answering|choosing|take)"
    r"|(?:don't|do not) have (?:\w+ )?(?:personal|preferences?|opinions?|feelings|beliefs|favou?rite|a favou?rite)"
    r"|as an ai|as a language model|i'm sorry|i apologize|no preference)\b",
    re.IGNORECASE,
)
_UNDECIDED = re.compile(
    r"\b(?:neither|both|none of|all of|either|it depends|yes and no|in some ways|torn|equally)\b", re.IGNORECASE
)
_UNSETTLED = re.compile(
    r"\b(?:wait|actually|however|but|though|although|correction|answers?|choice|no|not|never|hmm|second|other|options?|choose"
    r"|pick|select|prefer|final|finally|alternatively|or|sorry|mistake|on|long|oh|then|hang|rather|reconsider|let|letter|instead|yes|so|therefore)\b"
    r"|n't\b|[?]",
    re.IGNORECASE,
)
_WORDS_UNTIL_SETTLED = 4


@dataclass(frozen=True)
class Reading:
    """The answer parsed from a reply."""

    option: int | None
    """Index of the option; None where no answer can be parsed."""
    reason: Reason
    """The kind of evidence for it, or why there is none."""


def read_answer(
    reply: str, options: Sequence[str], *, labels: Sequence[str] | None = None, prompt: str = ""
) -> Reading:
    """Parse the option that a reply chooses. A reply that leaves doubt chooses none.

    Args:
        reply: The model's reply, thinking included.
        options: Their texts in the order shown; ["Yes", "No"] for a yes/no question.
        labels: The options' labels; "A", "B", … by default.
        prompt: The question, with or without its options; by its words a reply is read that names no option.

    Raises:
        SettingError: When there are not as many labels as options.
    """
    marked = _marked(reply, options, labels, prompt)
    if isinstance(marked, Reading):
        return marked
    found = claims(marked)
    settling = settling_claim(marked, found)
    if settling is not None:
        return Reading(settling.mention.option, settling.mention.kind)
    if not found and _REFUSAL.search(marked.text):
        return Reading(None, "refusal")
    if not found and (by_words := read_wording(marked, marked.plain, [translated(o) for o in options], prompt)):
        return Reading(*by_words)
    return Reading(None, "ambiguous" if marked.mentions or _UNDECIDED.search(marked.text) else "absent")


def can_stop(
    reply_so_far: str, options: Sequence[str], *, labels: Sequence[str] | None = None, prompt: str = ""
) -> bool:
    """Whether the answer is decided, so that generation may stop.

    An answer alone settles nothing: "A" may become "A good choice is (C)", "(A)" become "(A) is wrong", and small
    models often copy the whole list of options ("(A) …", newline, "(B) …") or add "The answer is (B)." after the
    text of another. So the rule: an answer can be read, the sentence that gives it has ended, and at least four
    whole words of what follows name no option, deny nothing and do not speak of answers, choices or second thoughts.
    """
    marked = _marked(reply_so_far, options, labels, prompt)
    if isinstance(marked, Reading):
        return False
    found = claims(marked)
    if settling_claim(marked, found) is None:
        return False
    tail = marked.text[max(claim.sentence_end for claim in found) :]
    whole = re.sub(r"\S+\Z", "", tail) if not reply_so_far[-1:].isspace() else tail
    return (
        len(re.findall(r"\w+", whole)) >= _WORDS_UNTIL_SETTLED
        and not re.search(MARK, tail)
        and not _UNSETTLED.search(tail)
    )


def _marked(reply: str, options: Sequence[str], labels: Sequence[str] | None, prompt: str) -> MarkedText | Reading:
    called = tuple(labels) if labels is not None else tuple(string.ascii_uppercase[: len(options)])
    if len(called) != len(options) or not all(called):
        raise SettingError(f"{len(options)} options need as many labels, none of them empty; got {len(called)}")
    text = clean(reply, called, numbers_matter=any(re.fullmatch(r"\d+", word) for word in (*called, *options)))
    if text is None:
        return Reading(None, "unfinished thinking")
    if not re.search(r"\w", text):
        return Reading(None, "empty" if not text else "absent")
    text = _spelled_out(with_digits(text, options), options)
    return mark(without_double_negations(translated(text)), [translated(option) for option in options], called, prompt)


def _spelled_out(text: str, options: Sequence[str]) -> str:
    """T and F as True and False, where these are the options."""
    if sorted(option.strip(" .").lower() for option in options) != ["false", "true"]:
        return text
    return {"t": "True", "f": "False"}.get(text.strip(" .()").lower(), text)
