"""Yes or no, where a reply repeats what the question asks: "I would recommend it" to "Do you recommend it?"."""

from __future__ import annotations

import re
from collections.abc import Sequence

from trimtab.evaluation.option_reading._assent import asked_sides, sides
from trimtab.evaluation.option_reading._elimination import NEGATION
from trimtab.evaluation.option_reading._mentions import MarkedText
from trimtab.evaluation.option_reading._stems import any_similar, content_stems, own_words, similar

_MIN_ECHO = 0.6
_TALK = re.compile(
    r"\b(?:both|either|neither|depends?|equally|torn|undecided|unsure|not sure|hard to say|can't say|maybe|perhaps"
    r"|might|you (?:ask|want|asked|may)|whether"
    r"|some (?:people|would|say)|others|as an ai|language model|i'm sorry|can't answer|decline to|question|if|or"
    r"|sometimes|arguments?|think about|discuss|consider|talk about|wonder|debate)\b",
    re.IGNORECASE,
)
_ASSERTS = re.compile(
    r"^\W*(?:i|we|you|one|ich|je|yo|io|eu|ik|jag|jeg|я|mi|me|j)\b|\b(?:is|are|was|were|should|shouldn't|would"
    r"|wouldn't|can|can't|do|does|did|don't|doesn't|didn't|isn't|aren't|will|won't|must|may)\b|\w's\b",
    re.IGNORECASE,
)
_DENIED_FIRST = re.compile(r"\W*(?:no|not|non|não)\s+\w", re.IGNORECASE)


def _asked(prompt: str) -> str:
    """What the question asks about: the statement that it quotes, or else its last sentence, without the options."""
    question = re.split(r"\n|\s\(?A[).]\s", prompt.strip())[0]
    quoted = re.findall(r"[\"“«„]([^\"“”»]{8,})[\"”»]", question)
    sentences = [s for s in re.split(r"(?<=[.!?。？])\s*", question) if s.strip()]
    last = quoted[-1] if quoted else sentences[-1] if sentences else ""
    return re.sub(r"^true or false\W*", "", last, flags=re.IGNORECASE)


def echoed(marked: MarkedText, plain: str, options: Sequence[str], prompt: str) -> int | None:
    """Yes or no, where the reply repeats what the question asks, as it is or denied."""
    pair = sides(options) or asked_sides(options, prompt)
    if pair is None or not prompt or marked.mentions or _TALK.search(plain):
        return None
    question = _asked(prompt)
    # Of options that deny each other, either has the words that are asked about.
    denied_copy = not any(own_words(options))
    asked = content_stems(" ".join([question, *options]) if denied_copy else question)
    first = re.split(r"(?<=[.!?;])\s", plain.strip())[0]
    said = content_stems(first)
    if (
        not said
        or first.endswith("?")
        or len(set(re.findall(r"\w+", first.lower()))) < 3 - bool(_DENIED_FIRST.match(first))
    ):
        return None
    repeated = [word for word in said if any(similar(word, other) for other in asked)]
    sure = (
        _ASSERTS.search(first)
        or _DENIED_FIRST.match(first)
        or (len(repeated) >= 2 and len(repeated) >= 0.75 * len(said))
    )
    own = own_words(options)[pair[1]]
    modal = re.match(r"\W*(should|would|could|can|may|must|will)\b", question, re.IGNORECASE)
    if modal and not re.search(rf"\b{modal[1]}(?:n't|not)?\b|can't|won't|'d\b|'ll\b", first, re.IGNORECASE):
        return None
    if len(repeated) < _MIN_ECHO * len(said) or not sure or any_similar(said, [w for w in own if w not in asked]):
        return None
    if re.search(r"\b(?:not|never)\b|n't\b", question) or len(NEGATION.findall(first)) > 1:
        return None
    return pair[1 if NEGATION.search(first) else 0]
