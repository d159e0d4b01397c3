"""The phrases by which people and models commit to an option, or only seem to.

They are matched in lower case against a marked text, in which every mention of an option is one character: `m`.
"""

from __future__ import annotations

import re

from trimtab.evaluation.option_reading._mentions import MARK


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
_LINK = _any(
    "an? (?:firm|clear|definite|resounding|hard|strong|big|simple|plain|loud|solid"
    "|emphatic), the, an?, with, on, for, to, option, options, answer, choice, letter, number, is, be, would be"
)
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
    r"""choose, pick, select, go with, go for, opt for, prefer, vote for, favou?r, agree with, recommend, suggest,
    identify (?:\w+ )?with, relate (?:\w+ )?to, sympathi[sz]e (?:\w+ )?with, tend towards?, tend to,
    gravitate towards?, drawn to, convinced by, on the side of, in favou?r of, incline to, settle on, stick with,
    side with, support, choosing, picking, selecting, going with, going for, opting for,
    voting for, siding with, leaning towards?, lean towards?, lean more towards?, inclined towards?, chose,
    picked, selected, take, left with, stay with, do, give (?:the |my )?answer, rate (?:this|it|that|myself) as,
    rate (?:this|it|that), describe
    (?:this|it|myself) as, call (?:this|it|myself)"""
)
_THINK = _any(
    """say, think, believe, feel, answer, guess, conclude, saying, answering, respond, respond with, argue, reply"""
)
_I = _any("i, i'd, i'll, i'm, i am, we, we'd, i would, i will, i must, i do, i should, we would, we should")
_HOWEVER = r"(?:(?:however|though|personally|for one|myself|for my part|on the other hand),?\s+)?"
_NOUN_PHRASE = (
    rf"(?:(?:\b(?:the|my|our)\s+|^\W*|[.,;:!({{–—-]\s*\"?){_PRAISE}|\ban?\s+(?:{_PRAISE_WORD}){{1,3}}){_NOUN}\b"
)
# "Hospital A is the best" speaks of a hospital: before the mark may stand only what introduces a statement.
_STATED = (
    r"(?:^\W*|[,;:.–—(-]\s*|\b"
    + _any("that, think, believe, say, so, but, and, because, since, while, hence, therefore, thus, guess, feel, the")
    + r"\s+)"
)

_CORRECTING_WORDS = _any(
    """oh, wait, actually, correction, rather, hmm, well, sorry, i mean, i meant, make that, on second thoughts?, on
    reflection, upon reflection, thinking again, scratch that, hold on, just kidding, kidding"""
)
# Within a sentence "no" corrects only if it is set apart: "(A), no, (B)", but not "(A), no (B)".
_CORRECTING = rf"(?:{_CORRECTING_WORDS}|no(?=\s*[,.:;!–—-]))"

STATED = (
    rf"{_NOUN_PHRASE}{_ABOUT}{_IS}\s*{_SURELY}{_OPTION}{M}",
    rf"\b{_I},?\s+{_HOWEVER}{_SURELY}{_CHOOSE}\s*{_OPTION}{M}",
    rf"\b(?:i'll take|i'd take|i would take|i will take|i'll have|i'd have|let's go with|let's choose"
    rf"|let me (?:go with|choose|pick|take|say|make (?:it|that)|change (?:that|it|my answer) to)"
    rf"|my vote goes (?:to|for))\s+{_OPTION}{M}",
    rf"\byou should\s+{_SURELY}(?:choose|pick|select|go with|go for)\s+{_OPTION}{M}",
    rf"\bi(?:'d| would)? (?:like|love)\s+{_OPTION}{M}\s+(?:the )?(?:best|most|more|better)\b",
    rf"\b(?:making|makes|make|consider|find)\s+{_OPTION}{M}\s+(?:to be |as )?(?:the|my)\s+{_PRAISE}(?:{_NOUN}|one)\b",
    rf"{_STATED}{M}[,\s]+{_SURELY}(?:is|would be|will be|remains)\s+{_SURELY}(?:the|my)\s+{_PRAISE}"
    rf"(?:{_NOUN}|one|correct|right|best)\b",
    rf"\b(?:chang(?:e|ed|ing)|switch(?:ed|ing)?)\s+(?:(?:my|the)\s+(?:answer|choice|mind|vote)\s+)?to\s+{_OPTION}{M}",
    rf"{_STATED}{M}[,\s]+is\s+{_SURELY}(?:what|how|the one|the option|the answer) (?:i|i'd|i would|i'll) "
    rf"(?:would )?(?:choose|pick|do|say|select|go with|prefer|respond|answer)\b",
    rf"{M}\s+{_SURELY}(?:beats|trumps|outweighs|over|before|comes before|wins over|(?:matters|counts|weighs"
    rf"|means) more than|is (?:much |far |even )?(?:more important|better|worth more"
    rf"|dearer) (?:to me )?than)\s+(?:the )?{MARK}",
    rf"(?:^|[,;:.–—-]\s*|\b(?:but|and|that|think|believe|say|for me)\s+){M}\s+{_SURELY}(?:(?:matters|counts|weighs"
    rf"|means) (?:\w+ )?(?:more|most)|comes first|is (?:more|most) important)\b",
    rf"\b(?:nothing beats|nothing is better than|you can't beat|can't beat|nothing like|there's nothing like"
    rf"|i can't resist|i'm all for|give me)\s+(?:an? )?(?:good |nice |the )?{M}",
    rf"\b{_I}\s+{_SURELY}{_CHOOSE}\s+(?:the|that|this|an?)\s+[^.,;!?()]{{1,60}}[,:]\s*(?:so |which is |namely "
    rf"|i\.e\. |that is )?{_OPTION}{M}(?=\s*(?:[.!]|$))",
    rf"{_STATED}{M}\s+is\s+{_SURELY}the only (?:\w+ )?(?:one|option|answer|sentence|choice|statement)\b",
    rf"\b(?:more|rather)\s+{M}\s+than\s+{MARK}",
    rf"{_STATED}(?:only )?{M}\s+(?:remains|is left|is what remains)\b",
    rf"{_STATED}{M}\s+{_SURELY}(?:sums (?:it|me|this) up|says it (?:best|all)|captures (?:it|my|me)|nails it"
    rf"|hits (?:the nail|home)|hits it|expresses it|puts it|is (?:spot on|it)\b|feels right|rings a bell"
    rf"|speaks for me)",
    rf"{_STATED}{M}\s+{_SURELY}(?:is|would be)\s+{_SURELY}(?:correct|right|best|better|preferable)\b",
    rf"{_STATED}{M}\s+{_SURELY}(?:makes (?:the most|more) sense|fits\b|it is\b|wins|gets my vote"
    r"|(?:resonates|rings (?:\w+ )?true[r]?|speaks|appeals)(?: (?:the )?(?:most|more|strongly|best"
    r"|deeply))?(?: (?:with|to) me)?|sounds (?:\w+ ){0,2}like (?:me|fun)|(?:describes|suits|fits|represents) me\b"
    r"|is (?:me|for me|mine|closer|closest)\b|gets my|is (?:more|much more|most) (?:like me|me)\b"
    r"|(?:is )?my (?:cup of tea|pick|choice|style)|has my|(?:best|most (?:closely|accurately)) \w+s\b|(?:is"
    r"|comes) (?:the )?close(?:r|st)\b"
    r"|aligns (?:best|better|more closely|most closely|with my)\b"
    r"|(?:reflects|matches|describes|expresses) (?:my|how i|what i)\b)",
)
"""Say it, whatever follows."""

STATED_IF_DONE = (
    rf"\b{_I}\s+{_SURELY}{_THINK}\s*(?:that\s+)?(?:it(?:'s| is)\s+)?{_SURELY}{_OPTION}{M}",
    rf"(?:^|[,;:.]\s*|\b(?:and|but|so|then)\s+)"
    rf"(?:(?:that |which |this |only )?leav(?:ing|es)(?: us with| only)?|it's|it is"
    rf"|(?:it|that|this|mine) (?:would|should) be|(?:it|that)'d be|that's|that is|that makes|mine is|it must be"
    rf"|it has to be|it would have to be|must be"
    rf"|definitely|certainly|clearly|probably|=+>|[-–—]+>|→|=)\s*,?\s*{_SURELY}{_OPTION}{M}",
    rf"(?:^(?:no\b[\s,.:;!]*)?|[,;:–—-]\s*|\b(?:but|or)\s+)(?:{_CORRECTING}[\s,.:;!–—-]*)+"
    rf"(?:it's |it is |the answer is )?{_OPTION}{M}",
)
"""Say it if the mark ends the statement: "I think (A)", but not "I think (A) is wrong"."""

STATED_AT_END = (
    rf"^(?:i'm |i am )?(?:leaning|tending|inclined)(?: more| slightly| rather)?(?: towards?| to)?\s+{_OPTION}{M}",
    rf"\bi(?:'d| would)? (?:lean|tend)(?: more| slightly| rather)?(?: towards?| to)?\s+{_OPTION}{M}",
    rf"\bmy (?:gut|heart|head|instinct|intuition|conscience)(?: feeling)? (?:says|tells me|votes)\s+{_OPTION}{M}",
    rf"^(?:on balance|let's say|i'll say|if anything)\s*,?\s*{_OPTION}{M}",
    rf"^then\s*,?\s*(?:it's |it is |it has to be |it must be )?{_OPTION}{M}",
    rf"(?:^|[,;:.]\s*|\b(?:and|but)\s+)(?:so(?!\s+(?:is|are|was|were|does|do|did)\b)|therefore|thus|hence"
    rf"|ergo)\s*,?\s*(?:it's |it is |it has to be |it must be )?{_OPTION}{M}",
    rf"^(?:for me|to me|in my (?:view|opinion)|personally|as for me|if it were up to me)\s*[,:–—]*\s*{_OPTION}{M}",
    rf"^(?:let me be clear|in the end|in conclusion|to conclude|overall|all in all|all things considered|on balance"
    rf"|in summary|ultimately)\s*[,:–—]\s*{_OPTION}{M}",
    rf"\b(?:but|and)\s+(?:in the end|ultimately|finally|eventually)\s*,?\s*{_OPTION}{M}",
    rf"\bif (?:i (?:had|have|must|am forced|were forced|was forced)(?: to (?:choose|pick|decide))?"
    rf"|forced|pressed|pushed)\s*[,:–—]\s*{_OPTION}{M}",
    rf"^(?:since|because|given|as|even if|rather than|instead of)\b[^.?]*,\s*{_OPTION}{M}",
    rf"^(?:that's |it's |it is |that is )?an?\s+(?:firm |clear |definite |resounding |hard |strong |big "
    rf"|emphatic )?{M}(?=\s+(?:from|for) me\b)",
    rf"^(?:go with|go for|choose|pick|select|answer)\s+{_OPTION}{M}",
)
"""Say it if the mark ends the sentence or a reason follows."""

STATED_IN_ITS_WORDS = (
    rf"\b{_I}\s+{_SURELY}(?:choose to\s+|prefer to\s+|have to\s+|want to\s+)?{M}"
    r"(?=\s*(?:$|[.,;!]|(?:because|since|with|that|to)\b))",
    rf"\b{_I}\s+{_SURELY}(?:like|love|want|enjoy)\s+(?:the colou?r )?{M}(?=\s*(?:$|[.,;!]|because\b|since\b))",
    rf"\b{_I}\s+{_SURELY}{_THINK}\s+(?:that\s+)?(?:it's|it is|i'm|i am)\s+{_SURELY}{M}(?=\s+(?:that|to)\b)",
    rf"^(?!.*\b(?:maybe|perhaps|partly|some|if|unless|when|like)\b).*\w,\s*{M}(?=[.!]*$)",
    rf"(?:\b(?:is|are|be)(?:\s+(?:called|known as|named))?(?:\s+(?:to|that|in|on|at"
    rf"|the|an?|der|die|das|den|le|la|les|el|il|lo|o|a|de|het|en|ett))?"
    rf"|\b(?:refers to|stands for)(?:\s+(?:the|an?))?|=)\s+{M}"
    r"(?=[\s.!\"']*$|,?\s*(?:even though|although|because|since|which|who|where)\b)",
)
"""Say it if the mark stands for an option's text, and no other option is mentioned: "I would return the money"."""

HEDGED = (
    rf"{_STATED}{M}\s+(?:(?:seems|sounds|looks|appears)(?: to be)?(?: like)?|is|would be)\s+(?:(?:an?|the)\s+)?"
    rf"{_PRAISE}(?:{_NOUN}|one|best|better|right|correct|reasonable|appropriate|true|accurate|safer|wiser"
    rf"|(?:more|most) {_GOOD})\b",
)

CONTRASTED = (
    rf"\bnot (?:the )?{MARK},[^.!?\ue000-\uf8ff]{{1,50}},? but (?:rather |instead )?{_OPTION}{M}",
    rf"\bnot (?:the )?(?:option )?{MARK},? but (?:rather |instead )?{_OPTION}{M}",
    rf"\bfirst (?:choice|pick|preference)(?: is| would be|\s*:)\s*{_OPTION}{M}",
)
"""Say it in words that elsewhere deny: "not (B) but (A)", "first choice: (A)"."""

_DENYING = r"""
    not, never, neither, nor, hardly, cannot, doubt, unsure, without, avoid, refuse, against, instead of, than,
    wrong, incorrect, worst, worse, bad, poor, terrible, un(?!til|der|doubtedly|less|ique
    |ivers)\w+, danger\w*, harmful,
    risk\w*, selfish, immoral, improper, inappropriate, tempting, hate, dislike, reject, rejected, eliminate,
    rule out"""
_OTHERS_SAY = r"""
    his, her, their, they, he, she, you(?! should), your, user, users, people, others, someone, everyone, anyone,
    critics, experts, (?:some|many|most) (?:would|might|may|will|say|argue|think|believe), says, states, claims,
    claimed, asks,
    asked, wonder(?:ing)?, whether, used to, initially, might, may, could, seems?, either, perhaps,
    maybe, pretend, imagine, ^suppose,
    hear, mother, father, parents, friends?,
    (?:when|whenever|before|after|once|by) i, (?:want|wanted|tempted|going) to (?:say|answer),
    (?:second|third|next|last) (?:choice|pick|preference)"""
DENIED = re.compile(rf"\b(?:{_any(_DENYING)}|{_any(_OTHERS_SAY)})\b|n't\b")
"""In the clause before a claim, or within it: denied, or attributed to others."""

NOT_THE_BEST = re.compile(
    r"\b"
    + _any(
        """other, another, one (?:option|answer|choice|response|approach), first, second(?! thought), third,
        alternative, opposite, common, popular, easy, previous, between, least, possible"""
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
    r"|.*\bin (?:some|certain|other|theory|principle)\b|.*\botherwise\b|.*\bbut (?:i )?(?:can't|cannot|won't"
    r"|am not)\b"
    r"|\s+(?:means|says|refers|describes|suggests|\d+|half|sometimes|in part|partly|partially|to some extent)\b"
    rf"|.*(?:[,;]|\b(?:and|or|while|but))\s+{MARK}\s+(?:for|in|when|if|on|with|means)\b",
    re.DOTALL,
)
"""After a mark: another option is named beside it, or a condition follows."""

OTHERS_WRONG = re.compile(
    rf"[\s,;]*(?:(?:and|but|while|whereas)\s+)?{MARK}[^.!?]*\b(?:wrong|not|incorrect|cannot)\b|[\s,;]*(?:(?:and|but"
    rf"|while|whereas)\s+)?{MARK}[^.!?]*n't\b"
)
"""After a claim: the other options are rejected."""

_REASON = _any("because, since, as, for, due, given")
_SURE = _any(
    "without (?:a |any )?doubt, for sure, of course, obviously, no question, hands down, any day, every time, please"
)
DONE = re.compile(
    rf"\s*(?:$|{_SURE}\b|[.,;!)–—]|-(?=\s|$)"
    rf"|\b(?:{_REASON}|over|rather|instead|here|in this|in my|on this|too|but|and|again)\b)"
)
AT_END = re.compile(rf"\s*(?:[.!;)\"']*\s*$|\b{_REASON}\b)")

TALKED_OF = re.compile(
    r"\W*(?:this|it|that|these|those|while|although|though|if|is|was|has|have|and|or|would|could|might|may|can|will"
    r"|does"
    r"|seems|the (?:option|first|second|answer|choice)|describes|suggests|represents|an? option|let me|let's"
    r"|first|here)\b"
)
TALKED_OF_BEHIND_COMMA = re.compile(
    r"[\s,;–—-]+(?:which|that|is|was|would|isn't|neither|both|it depends|depending"
    r"|for (?:example|instance)|as in|the (?:first|second|third|last|one|option))\b"
)
"""After a label that begins the reply: it is being discussed, not given as the answer."""
TEXT_GOES_ON = re.compile(
    r"\s+is (?:the|my)\b"
    r"|\s+(?:is|are|was|were|can)\s+(?!(?:not|never|also|only|wrong|incorrect|false|bad|a|an|un\w+|more|less"
    r"|very|too|tempting|possible|common|one|often|sometimes|partly)\b)\w+"
)
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
CLAUSE_BEGINS = rf"(?:[,;:–—]\s*|\b(?:but|so)\s+){FILLER}{M}"
"""Where a Yes or No may stand within a sentence."""
FORMERLY = re.compile(r"\b(?:about|going|tempted|wanted|used) to say\b|\bat first\b|\binitially\b|\bi thought\b")
"""Before a Yes or No that no longer holds."""
ANSWERED_FIRST = re.compile(rf"\W*{MARK}\s*[,;.!–—-]+\s*why (?:wouldn't|not|shouldn't|should|would)\b", re.IGNORECASE)
"""A question that follows an answer: "Yes, why wouldn't they?"."""
SUBJECT = re.compile(r"\s+(?:i|we|it|they|you|that|there|this)\b")
"""After Yes or No: "No I would not"."""
UNDECIDED_YES_NO = re.compile(
    rf"\b(?:neither|both|depends|some (?:people|would)|others|can't (?:say|answer|choose))\b|{MARK}\s*(?:$|[.,;!])"
)

OVERRIDES = re.compile(
    r"\b"
    + _any(
        """wait, actually, correction, corrected, on second thoughts?, scratch that, i mean, i meant, my mistake, i
        was wrong, reconsider, changed? (?:my (?:mind|answer|choice)|that), let me (?:correct|rephrase|revise), upon
        reflection, on reflection, thinking (?:about it |it over )?(?:again|more), hold on, sorry, or rather,
        misread, hang on, oh, (?:just )?kidding, i now, now i, now it, is now, but after thinking,
        final (?:answer|choice|decision|verdict)"""
    )
    + r"\b|(?:^|[.!?…,;:–—-])\s*(?:(?:hmm+|oh|well|ah|er|um|uh)[\s,]+)?no(?=\s*[,.!:;…–—-])"
)
"""Between two mentions: the later one is intended to replace the earlier."""

OPEN_AGAIN = re.compile(
    rf"\b(?:could|might|may)\s+(?:just as well |equally |also |well )?be\s+(?:the )?{MARK}"
    rf"|[.!?]\s*(?:or|and|also)\s+(?:maybe |perhaps )?(?:the )?{MARK}"
    rf"|\b(?:or )?maybe\s+(?:even )?(?:it's )?{MARK}"
    rf"|{MARK}\s+(?:could|might|may|would)\s+(?:also |well |even )?be\s+(?:a )?(?:better|right|correct|wiser|as good)"
)
"""After the last claim: another option may be as good."""

TAKEN_BACK = re.compile(
    r"\b(?:take (?:that|it) back|let me (?:reconsider|think (?:again|about it more))"
    r"|wait(?=\s*[,.!…]|\s+no\b|\s*$)|on second thoughts?|scratch that|correction|reconsider|changed my mind"
    r"|i was wrong|unsure|undecided|(?:can't|cannot|can not) decide|not sure which|torn between"
    r"|(?:can't|cannot|unable to) answer|or would i"
    r"|hard to (?:choose|decide|say|pick)|\bmaybe\W*$|\bboth\W*$"
    r"|(?:that's|that is|this is|it's) an? (?:\w+ ){0,2}question\b)"
)
"""After the last claim: it no longer holds."""
