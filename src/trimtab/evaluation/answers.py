"""Reading answers: which option a reply gives, or that none can be read from it."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from trimtab.errors import SettingError
from trimtab.evaluation.answer_claims import claims, settling_claim
from trimtab.evaluation.answer_cleaning import clean
from trimtab.evaluation.answer_mentions import MARK, MarkedText, mark

Why = Literal["letter", "text", "yes/no", "refusal", "ambiguous", "absent", "unfinished thinking", "empty"]

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
    r"|pick|select|prefer|final|finally|alternatively|or|sorry|mistake|on|long|reconsider|let|letter|instead|yes|so|therefore)\b"
    r"|n't\b",
    re.IGNORECASE,
)
_WORDS_UNTIL_SETTLED = 4


@dataclass(frozen=True)
class Reading:
    """What a reply answers."""

    option: int | None
    """Index of the option; None where no answer can be read."""
    why: Why
    """What the answer was read from, or why there is none."""


def read_answer(reply: str, options: Sequence[str], *, labels: Sequence[str] | None = None) -> Reading:
    """Read which option a reply gives. A reply that leaves doubt gives none.

    Args:
        reply: what the model said, thinking included.
        options: their texts in the order shown; ["Yes", "No"] where that is the question.
        labels: what the options were called; "A", "B", … by default.

    Raises:
        SettingError: when there are not as many labels as options.
    """
    marked = _marked(reply, options, labels)
    if isinstance(marked, Reading):
        return marked
    found = claims(marked)
    settling = settling_claim(marked, found)
    if settling is not None:
        return Reading(settling.mention.option, settling.mention.kind)
    if not found and _REFUSAL.search(marked.text):
        return Reading(None, "refusal")
    return Reading(None, "ambiguous" if marked.mentions or _UNDECIDED.search(marked.text) else "absent")


def can_stop(reply_so_far: str, options: Sequence[str], *, labels: Sequence[str] | None = None) -> bool:
    """Whether the answer is settled although the model goes on.

    An answer alone settles nothing: "A" may become "A good choice is (C)", "(A)" become "(A) is wrong", and small
    models often copy the whole list of options ("(A) …", newline, "(B) …") or add "The answer is (B)." after the
    text of another. So the rule: an answer can be read, the sentence that gives it has ended, and at least four
    whole words of what follows name no option, deny nothing and do not speak of answers, choices or second thoughts.
    """
    marked = _marked(reply_so_far, options, labels)
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


def _marked(reply: str, options: Sequence[str], labels: Sequence[str] | None) -> MarkedText | Reading:
    called = tuple(labels) if labels is not None else tuple(string.ascii_uppercase[: len(options)])
    if len(called) != len(options) or not all(called):
        raise SettingError(f"{len(options)} options need as many labels, none of them empty; got {len(called)}")
    text = clean(reply, called, numbers_matter=any(re.fullmatch(r"\d+", word) for word in (*called, *options)))
    if text is None:
        return Reading(None, "unfinished thinking")
    if not re.search(r"\w", text):
        return Reading(None, "empty" if not text else "absent")
    return mark(text, options, called)
