"""Short replies that leave one option: it alone is named, or all others are ruled out."""

from __future__ import annotations

import re

from trimtab.evaluation.option_reading import _phrases
from trimtab.evaluation.option_reading._mentions import MARK, MarkedText
from trimtab.evaluation.option_reading._unspaced import UNSPACED

LEAVES_OPEN = re.compile(
    r"\b(?:both|either|neither|depends?|depending|equally|torn|undecided|unsure|unclear|uncertain|not sure"
    r"|hard to say|can't say|cannot say"
    r"|can't decide|cannot decide|difficult|tough|hard|tricky|could imagine|each|maybe|perhaps|might|combine|a mix"
    r"|pros and cons|on the one hand"
    r"|some (?:people|would|say|might)|others (?:would|say|might|may)|many (?:people|would)|you (?:ask|want|asked|may"
    r"|might)|whether|as an ai|language model"
    r"|i'm sorry|i can't|i cannot|unable|decline to|no preference|no opinion|if you|used to|reconsider"
    r"|on second thought|vary|varies|differs?|differ|don't know|no idea"
    r"|none of|all of (?:them|these|the)|not comfortable|as well as|question of|versus|vs|consider|initially|tempt\w*"
    r"|he|she says|they say|imagine|suppose|false|wrong|incorrect"
    r"|for example|for instance|sometimes|(?:second|third|next|last) (?:choice|pick|preference)|almost|wish)\b",
    re.IGNORECASE,
)
"""The reply may choose none, or says what others choose."""
NEGATION = re.compile(
    r"\b(?:anything but|anything except|everything but|all but|decline|declining|reject|turn down"
    r"|ignore|avoid|hate|dislike|refuse to|not|never|no|cannot|without|nor|hardly|nothing|nobody"
    r"|none)\b|n't\b",
    re.IGNORECASE,
)
_ENDS_WITH_MARK = re.compile(rf"{MARK}[\s.!\"')]*$")
_MAX_SOLE_WORDS = 10
_MAX_UNSPACED = 24
_DENIED_UNSPACED = re.compile(r"[不没未非别無?？吗か]|ない|ません|지 않|\bnot\b")
_CHOOSING_UNSPACED = re.compile(
    "i would choose|the answer is|option|我|更|喜欢|喜歡|好|是|应该|應該|选择|选|選|觉得|认为|当然|大概|可能|还是"
    "|比较|想|要|的|です|だ|が|を|は|の方|のほう|好き"
    "|いい|良い|と思います|思います|私|僕|더|좋아요|좋습니다|선택하겠습니다|선택합니다|저는|로|입니다|이에요|예요"
    "|요|이|가|을|를|좋아|합니다|저는|나는|[a-z ]"
)


def sole_option(marked: MarkedText, prompt: str) -> int | None:
    """The one option that a short reply names, by its place or label at the end, or in a script without spaces."""
    text, chosen = marked.text, {mention.option for mention in marked.mentions.values()}
    if len(chosen) != 1 or None in chosen or LEAVES_OPEN.search(text):
        return None
    (option,) = chosen
    kinds = {mention.kind for mention in marked.mentions.values()}
    low = text.lower()
    doubted = any(p.search(low) for p in (_phrases.DENIED, _phrases.CONDITION, _phrases.NOT_THE_BEST)) or "?" in text
    short = len(text.split()) <= _MAX_SOLE_WORDS and not doubted
    if (
        kinds == {"yes/no"}
        and re.match(rf"\s*{MARK}(?=\s*(?:[.,;:!\n]|$|(?:and|because|please|for|to)\b))", text)
        and short
    ):
        return option
    starts = re.match(rf"\s*{MARK}\s*[,(;–—-]", text)
    if kinds == {"letter"} and starts and short and len(marked.mentions) == 1:
        return option
    if "letter" in kinds and "text" in kinds and short and len(text.split()) <= _MAX_SOLE_WORDS:
        return option
    if UNSPACED.search(marked.plain) and len(text) <= _MAX_UNSPACED and not _DENIED_UNSPACED.search(text):
        rest = _CHOOSING_UNSPACED.sub("", re.sub(MARK, "", text))
        return option if all(c in prompt or not c.isalnum() for c in rest) else None
    by_place = all(
        not m.with_text and re.search(r"\w{2}", marked.plain[m.start : m.end]) for m in marked.mentions.values()
    )
    if kinds == {"letter"} and by_place and short and _ENDS_WITH_MARK.search(text):
        return option
    return None


_RULED_OUT = re.compile(
    rf"(?:\b(?:(?:don't|do not) (?:think|believe)(?: that)?|not|neither|nor|anything but|anything except"
    rf"|everything but|all but|rule out|ruled out|eliminate|exclude|discard|certainly not|definitely not|never"
    rf"|wouldn't|won't|don't (?:choose|pick|want)|can't be|cannot be|isn't)\s+(?:it's |choose |pick |be |the "
    rf"|go with |want to |to )*(?P<m>{MARK})"
    rf"(?:(?:,| or| nor| and|, nor|, or)\s*(?:not |nor |the )?(?P<n>{MARK}))*)",
    re.IGNORECASE,
)


def left_over(marked: MarkedText, options: int) -> int | None:
    """The one option that a reply does not rule out; every mention of another must rule it out."""
    text = marked.text
    out: set[int] = set()
    covered: set[int] = set()
    for m in _RULED_OUT.finditer(text):
        for at in range(m.start(), m.end()):
            if at in marked.mentions:
                option = marked.mentions[at].option
                if option is None:
                    return None
                out.add(option)
                covered.add(at)
    if any(mention.kind == "yes/no" for mention in marked.mentions.values()):
        return None
    rest = [option for option in range(options) if option not in out]
    if (
        not out
        or len(rest) != 1
        or re.search(r"[?]|\b(?:if|sure|certain|say|right|maybe|necessarily|only|just)\b", text, re.IGNORECASE)
    ):
        return None
    others = {mention.option for at, mention in marked.mentions.items() if at not in covered}
    if others - {rest[0]} or len(re.findall(r"\w+", text)) > 20:
        return None
    return rest[0]
