"""The phrases by which people and models commit to an option, or only seem to.

They are matched in lower case against a marked text, in which every mention of an option is one character: `m`.
"""

from __future__ import annotations

import re

from trimtab.evaluation.answer_mentions import MARK


def _any(phrases: str) -> str:
    """Pattern for any of several phrases, with commas between."""
    return f"(?:{'|'.join(' '.join(phrase.split()) for phrase in phrases.split(','))})"


M = f"(?P<m>{MARK})"

_ADVERB = _any(
    """definitely, clearly, certainly, probably, likely, most, very, simply, surely, obviously, indeed, still,
    personally, always, therefore, thus, also, then, actually, ultimately, undoubtedly, absolutely, have to, had
    to, need to, want to, rather, just, now, go ahead and, lean towards?, be inclined to, inclined to, tend to,
    strongly, honestly, really, in fact, have chosen to"""
)
_SURELY = rf"(?:{_ADVERB}\s+)*"
_LINK = _any("the, an?, with, on, for, to, option, options, answer, choice, letter, number, is, be, would be")
_OPTION = rf"(?:{_LINK}\s+|[\"'(:=]\s*)*"
_GOOD = _any(
    """correct, right, best, better, proper, appropriate, only, obvious, clear, logical, ethical, ideal, preferred,
    preferable, final, superior, responsible, safest, safer, wisest, wiser, favou?rite, honest, suitable,
    accurate, fitting, reasonable, sensible, moral, good, great, chosen, selected, own, likely, helpful,
    cooperative, transparent, plausible, prudent, thoughtful, considerate, respectful, truthful, fair, smart,
    practical, pragmatic, natural, realistic"""
)
# Closed lists: "the most expensive choice is (B)" is no answer.
_PRAISE_WORD = rf"(?:(?:most|more) {_GOOD}|very|single|far|much|clearly|obviously|morally|ethically|{_GOOD})\s+"
_PRAISE = rf"(?:{_PRAISE_WORD}){{0,3}}"
_NOUN = _any(
    """answer, choice, option, selection, pick, response, decision, vote, preference, conclusion, verdict,
    favou?rite, letter, recommendation, selected, chosen, course of action, thing to do, way to go, way forward,
    approach, action, solution, statement, reply"""
)
_ABOUT = r"(?:\s+(?!(?:is|are|not|isn't|between|if|would|will)\b)[\w']+){0,6}?[,\"']?"
_IS = (
    r"(?:\s+(?:is|would be|will be|remains|must be|has to be|should be|would have to be)\b"
    r"|\s*[:=]|\s+[–—-]+>?(?=\s))"
)
_CHOOSE = _any(
    """choose, pick, select, go with, go for, opt for, prefer, vote for, favou?r, agree with, recommend, suggest,
    settle on, stick with, side with, support, choosing, picking, selecting, going with, going for, opting for,
    voting for, siding with, leaning towards?, lean towards?, lean more towards?, inclined towards?, chose,
    picked, selected, do, give (?:the |my )?answer, rate (?:this|it|that|myself) as, rate (?:this|it|that), describe
    (?:this|it|myself) as, call (?:this|it|myself)"""
)
_THINK = _any(
    """say, think, believe, feel, answer, guess, conclude, saying, answering, respond, respond with, argue, reply"""
)
_I = _any("i, i'd, i'll, i'm, i am, we, we'd, i would, i will, i must, i do, i should, we would, we should")
_NOUN_PHRASE = (
    rf"(?:(?:\b(?:the|my|our)\s+|^\W*|[.,;:!({{–—-]\s*\"?){_PRAISE}|\ban?\s+(?:{_PRAISE_WORD}){{1,3}}){_NOUN}\b"
)
# "Hospital A is the best" speaks of a hospital: before the mark may stand only what introduces a statement.
_STATED = (
    r"(?:^\W*|[,;:.–—(-]\s*|\b"
    + _any("that, think, believe, say, so, but, and, because, since, while, hence, therefore, thus, guess, feel, the")
    + r"\s+)"
)

SAID = (
    rf"{_NOUN_PHRASE}{_ABOUT}{_IS}\s*{_SURELY}{_OPTION}{M}",
    rf"\b{_I}\s+{_SURELY}{_CHOOSE}\s*{_OPTION}{M}",
    rf"\b(?:i'll take|i'd take|i would take|i will take|i'll have|i'd have|let's go with|let's choose"
    rf"|my vote goes (?:to|for))\s+{_OPTION}{M}",
    rf"\byou should\s+{_SURELY}(?:choose|pick|select|go with|go for)\s+{_OPTION}{M}",
    rf"\bi(?:'d| would)? (?:like|love)\s+{_OPTION}{M}\s+(?:the )?(?:best|most|more|better)\b",
    rf"\b(?:making|makes|make|consider|find)\s+{_OPTION}{M}\s+(?:to be |as )?(?:the|my)\s+{_PRAISE}(?:{_NOUN}|one)\b",
    rf"{_STATED}{M}[,\s]+{_SURELY}(?:is|would be|will be|remains)\s+{_SURELY}(?:the|my)\s+{_PRAISE}"
    rf"(?:{_NOUN}|one|correct|right|best)\b",
    rf"{_STATED}{M}[,\s]+is\s+{_SURELY}(?:what|how|the one|the option|the answer) (?:i|i'd|i would|i'll) "
    rf"(?:would )?(?:choose|pick|do|say|select|go with|prefer|respond|answer)\b",
    rf"{_STATED}{M}\s+{_SURELY}(?:is|would be)\s+{_SURELY}(?:correct|right|best|better|preferable)\b",
    rf"{_STATED}{M}\s+{_SURELY}(?:makes (?:the most|more) sense|fits best|it is\b|wins|gets my vote"
    r"|resonates (?:the )?most|(?:best|most (?:closely|accurately)) \w+s\b|(?:is|comes) (?:the )?closest\b"
    r"|aligns (?:best|better|more closely|most closely|with my)\b"
    r"|(?:reflects|matches|describes|expresses) (?:my|how i|what i)\b)",
)
"""Say it, whatever follows."""

SAID_IF_DONE = (
    rf"\b{_I}\s+{_SURELY}{_THINK}\s*(?:that\s+)?(?:it(?:'s| is)\s+)?{_SURELY}{_OPTION}{M}",
    rf"(?:^|[,;:.]\s*|\b(?:and|but|so|then)\s+)"
    rf"(?:(?:that |which |this |only )?leav(?:ing|es)(?: us with| only)?|it's|it is"
    rf"|(?:it|that|this|mine) would be|(?:it|that)'d be|mine is|it must be|it has to be|it would have to be|must be"
    rf"|definitely|certainly|clearly|probably|=+>|[-–—]+>|→|=)\s*,?\s*{_SURELY}{_OPTION}{M}",
    r"^(?:(?:"
    + _any(
        "oh, wait, no, actually, correction, rather, hmm, i mean, i meant, make that, on second thoughts?, scratch that"
    )
    + rf"\b[\s,.:;!]*)+)(?:it's |it is |the answer is )?{_OPTION}{M}",
)
"""Say it if the mark ends the statement: "I think (A)", but not "I think (A) is wrong"."""

SAID_AT_END = (
    rf"(?:^|[,;:.]\s*|\b(?:and|but)\s+)(?:so|therefore|thus|hence|ergo)\s*,?\s*(?:it's |it is )?{_OPTION}{M}",
    rf"^(?:for me|to me|in my (?:view|opinion)|personally|as for me|if it were up to me)\s*[,:–—]*\s*{_OPTION}{M}",
    rf"^(?:let me be clear|in the end|in conclusion|to conclude|overall|all in all|all things considered|on balance"
    rf"|in summary|ultimately)\s*[,:–—]\s*{_OPTION}{M}",
    rf"^(?:since|because|given|as)\b[^.?]*,\s*{_OPTION}{M}",
    rf"^(?:go with|go for|choose|pick|select|answer)\s+{_OPTION}{M}",
)
"""Say it if the mark ends the sentence or a reason follows."""

SAID_IN_ITS_WORDS = (
    rf"\b{_I}\s+{_SURELY}(?:choose to\s+|prefer to\s+|have to\s+|want to\s+)?{M}"
    r"(?=\s*(?:$|[.,;!]|(?:because|since|with|that|to)\b))",
    rf"\b{_I}\s+{_SURELY}(?:like|love|want|enjoy)\s+(?:the colou?r )?{M}(?=\s*(?:$|[.,;!]|because\b|since\b))",
    rf"\b{_I}\s+{_SURELY}{_THINK}\s+(?:that\s+)?(?:it's|it is|i'm|i am)\s+{_SURELY}{M}(?=\s+(?:that|to)\b)",
    rf"^(?!.*\b(?:maybe|perhaps|partly|some)\b).*\w,\s*{M}(?=[.!]*$)",
    rf"(?:\b(?:is|are|be)(?:\s+(?:to|that|in|on|at|the|an?))?|=)\s+{M}(?=[\s.!\"']*$)",
)
"""Say it if the mark stands for an option's text, and no other option is mentioned: "I would return the money"."""

HEDGED = (
    rf"{_STATED}{M}\s+(?:(?:seems|sounds|looks|appears)(?: to be)?(?: like)?|is|would be)\s+(?:(?:an?|the)\s+)?"
    rf"{_PRAISE}(?:{_NOUN}|one|best|better|right|correct|reasonable|appropriate|true|accurate|safer|wiser"
    rf"|(?:more|most) {_GOOD})\b",
)

CONTRASTED = (rf"\bnot (?:the )?(?:option )?{MARK},? but (?:rather |instead )?{_OPTION}{M}",)
"""Say it although they deny: "not (B) but (A)"."""

_DENYING = r"""
    not, never, neither, nor, hardly, cannot, doubt, unsure, without, avoid, refuse, against, instead of, than,
    wrong, incorrect, worst, worse, bad, poor, terrible, un(?!til|der|doubtedly|less|ique|ivers)\w+, danger\w*, harmful,
    risk\w*, selfish, immoral, improper, inappropriate, tempting, hate, dislike, reject, rejected, eliminate,
    rule out"""
_OTHERS_SAY = r"""
    his, her, their, they, he, she, you(?! should), your, user, users, people, others, someone, everyone, anyone,
    critics, experts, (?:some|many|most) (?:would|might|may|will|say|argue|think|believe), says, states, claims,
    claimed, asks,
    asked, wonder(?:ing)?, whether, used to, initially, might, may, could, seems?, either, perhaps,
    maybe, pretend, imagine, ^suppose,
    (?:when|whenever|before|after|once|by) i"""
DENIED = re.compile(rf"\b(?:{_any(_DENYING)}|{_any(_OTHERS_SAY)})\b|n't\b")
"""In the clause before a claim, or within it: denied, or said by others."""

NOT_THE_BEST = re.compile(
    r"\b"
    + _any(
        """other, another, one (?:option|answer|choice|response|approach), first, second, third, alternative,
        opposite, common, popular, easy, previous, between, least, possible"""
    )
    + r"\b"
)
"""Within a claim: it speaks of another option than the best."""

CONDITION = re.compile(
    r"\b(?:he|she|they|someone|user|others?) (?:said|says|replied|answered|wrote)\b"
    r"|\b(?:if|unless|supposing|suppose (?:that|you|there|we)|assuming|depending)\b(?!\s+(?:(?:i|we|you|one)\s+)?"
    + _any(
        """had, have, must, were, was, am, need, really, absolutely, could, insist, forced, pressed, asked, pushed,
        it (?:were|was) up to me"""
    )
    + r"\b)"
)
"""In the sentence before a claim, or a quotation; "if I had to choose" is none."""

TURN = re.compile(r"[,;:]|\b(?:but|however|so|therefore|thus|hence|still|yet|nevertheless|then)\b")
"""Where a clause ends, so that a "not" before it no longer counts."""

QUESTION = re.compile(r"\bto (?:your|the|this|that) question\b")
"""A "your" that speaks of no one else."""

ALSO = re.compile(
    rf"[\s,/&+|–—-]*(?:(?:or|and|nor|vs|versus|to|but|over to|no|wait|actually|sorry|rather|i mean"
    rf"|make that)\b[\s,.]*)*(?:(?:also|maybe|possibly|perhaps|both|either|then)\s+)*{MARK}|\s*,?\s*(?:or|nor)\b"
    r"|\s*[,(]?\s*(?:if(?! (?:ever|any|anything|at all)\b)|unless|only|when)\b"
    r"|\s+(?:is|was|would be|are)\s+(?:\w+\s+)?(?:not|wrong|incorrect|bad)\b"
    r"|.*\bin (?:some|certain|other|theory|principle)\b|.*\botherwise\b|.*\bbut (?:i )?(?:can't|cannot|won't|am not)\b"
    r"|\s+(?:means|says|refers|describes|suggests|\d+|half|sometimes|in part|partly|partially|to some extent)\b"
    rf"|.*(?:[,;]|\b(?:and|or|while|but))\s+{MARK}\s+(?:for|in|when|if|on|with|means)\b",
    re.DOTALL,
)
"""After a mark: another option is named beside it, or a condition follows."""

_REASON = _any("because, since, as, for, due, given")
DONE = re.compile(
    rf"\s*(?:$|[.,;!)–—]|-(?=\s|$)|\b(?:{_REASON}|over|rather|instead|here|in this|in my|on this|too|but|and|again)\b)"
)
AT_END = re.compile(rf"\s*(?:[.!;)\"']*\s*$|\b{_REASON}\b)")

TALKED_OF = re.compile(
    r"\W*(?:this|it|that|these|those|while|although|though|if|is|was|has|have|and|or|would|could|might|may|can|will|does"
    r"|seems|the (?:option|first|second|answer|choice)|describes|suggests|represents|an? option|let me|let's"
    r"|first|here)\b"
)
TALKED_OF_BEHIND_COMMA = re.compile(
    r"[\s,;–—-]+(?:which|that|is|was|would|isn't|neither|both|it depends|depending"
    r"|for (?:example|instance)|as in|the (?:first|second|third|last|one|option))\b"
)
"""After a label that begins the reply: it is being discussed, not given as the answer."""
TEXT_GOES_ON = re.compile(r"\s+is (?:the|my)\b")
"""After a label and its text: "(B) Paris is the capital of France"."""

FILLER = (
    r"(?:"
    + _any(
        """well, hmm+, honestly, absolutely, definitely, sure, of course, oh, um, ok, okay, certainly, personally,
        simply put, in short, short answer, to be honest, yeah, so, thus, therefore, probably, indeed, great
        question, good question, the short answer is, why"""
    )
    + r"\b[\s,.:!-]*)*"
)
SUBJECT = re.compile(r"\s+(?:i|we|it|they|you|that|there|this)\b")
"""After Yes or No: "No I would not"."""
UNDECIDED_YES_NO = re.compile(
    rf"\b(?:neither|both|depends|some (?:people|would)|others|can't (?:say|answer|choose))\b|{MARK}\s*(?:$|[.,;!])"
)

OVERRIDES = re.compile(
    r"\b"
    + _any(
        """wait, actually, correction, corrected, on second thoughts?, scratch that, i mean, i meant, my mistake, i
        was wrong, reconsider, changed? my mind, let me (?:correct|rephrase|revise), upon reflection, on
        reflection, final (?:answer|choice|decision|verdict)"""
    )
    + r"\b"
)
"""Between two claims: the later one is meant to replace the earlier."""

TAKEN_BACK = re.compile(
    r"\b(?:wait(?=\s*[,.!…]|\s+no\b|\s*$)|on second thoughts?|scratch that|correction|reconsider|changed my mind"
    r"|i was wrong|unsure|undecided|(?:can't|cannot|can not) decide|not sure which|torn between"
    r"|(?:can't|cannot|unable to) answer|or would i"
    r"|hard to (?:choose|decide|say|pick))"
)
"""After the last claim: it no longer holds."""
