"""Readings from the words of a reply that names no option: "I'd join a choir" for "Singing in a choir".

An option is read where the reply has words that stand in that option alone, says nothing of the others, denies nothing
and leaves nothing open; where the whole sentence repeats the question of a yes or no; or where a reply rules out all
options but one. It is the last of the rules, for replies in which the grammar of `_option_claims` finds no answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from trimtab.evaluation.option_reading import _phrases
from trimtab.evaluation.option_reading._echoes import echoed
from trimtab.evaluation.option_reading._elimination import LEAVES_OPEN, NEGATION, left_over, sole_option
from trimtab.evaluation.option_reading._mentions import MARK, MarkedText
from trimtab.evaluation.option_reading._stems import any_similar, content_stems, own_words, similar

Way = Literal["wording", "elimination"]

_OPENING = (
    r"^\W*(?:(?:so|well|oh|honestly|frankly|personally|of course|in that case|then|therefore|probably|for me"
    r"|to me|easy|definitely|surely|sure|ok|okay|hmm|actually|to be \w+|absolutely yes),?\s+)*"
)
_INTENT = re.compile(
    _OPENING + r"(?:(?:i|we)(?:'d|'ll| would| will| shall|'m going to| am going to| choose| prefer| pick| want"
    r"| tend to| try to| intend to| plan to| usually| must| should| have to)\b|let(?:'s| me| my| the"
    r"| us)\b|give me\b)"
    r"|\b(?:ich (?:würde|möchte|werde|will|hätte|nehme|bestelle)|j'aimerais|quisiera|me gustaría|vorrei|gostaria"
    r"|ik (?:zou|wil|ga)|jag (?:skulle|vill)|i would choose)\b|\b\w+(?:ría|rais|rei|ria)\b|\w бы\b",
    re.IGNORECASE,
)
"""What the reply would do: "I'd …", and the conditional of other languages."""
_PRESENT = re.compile(
    _OPENING
    + r"(?:i|we)(?:'m| am| do)? (?:\w+ly )?(?!(?:can|could|may|might|have|had|was|know|see|heard)\b)(?P<verb>\w+)",
    re.IGNORECASE,
)
_PRAISE = re.compile(
    r"\b(?:matters? (?:the )?(?:more|most)|(?:is|are|it's|be|sounds?|seems?|looks?|feels?) (?:\w+ ){0,2}(?:fine"
    r"|better|best|good|great|lovely|fun|right|wise|wiser|safer|safest|preferable|perfect|nice|nicer"
    r"|suited|ideal|favou?rite|more important|most important|the one|the winner|what i|for me|my thing)|gets my vote"
    r"|wins|for me|please|comes first|more to me|fits me|suits? me|appeals? to me|would do|am liebsten|am besten"
    r"|liebste\w?|lieblings\w+|préférée?s?|me gusta más|j'aime mieux|mi piace di più|preferit\w|больше нравится"
    r"|нравится больше|above all|beyond everything|every time|any day|all the way|all day long|person\W*$|rules?\W*$"
    r"|rocks?\W*$|most\W*$"
    r"|wichtiger|lieber|besser|plus important|mieux|más importante|mejor|più importante|meglio|melhor|mais importante"
    r"|belangrijker|beter|важнее|лучше)\b|更重要|更好|の方がいい|のほうがいい|더 중요|더 좋",
    re.IGNORECASE,
)
"""The option is called good or better."""
_IS = re.compile(r"\b(?:is|are|was|were)\b", re.IGNORECASE)
_CLEFT = re.compile(r"^\W*(?:it is|it's|that is|that's|it was|it has to be|it must be)\b", re.IGNORECASE)
_CONTRAST = re.compile(
    r"\b(?:because|over|rather than|instead of|than|as opposed to|unlike|without|and not|not|against|sick of|tired of"
    r"|done with|enough of)\b",
    re.IGNORECASE,
)
"""What follows in the clause is not chosen."""
_CONCLUDING = re.compile(
    r"^\W*(?:so|therefore|thus|hence|in the end|all in all|overall|ultimately|on balance|that's why|i'd|i would|i'll"
    r"|i will|i choose|my)\b"
    r"|\b(?:better|best|right|wiser|safer|only) (?:choice|option|thing|one|course|answer|way)\b|\bis the (?:best"
    r"|right|only|better)\b|\bi'm convinced\b",
    re.IGNORECASE,
)
_MAX_WORDS = 45
_MAX_SENTENCE_WORDS = 35
_IMPERATIVE = re.compile(
    r"^\W*(?:just |simply |please |always |better |then |so |i'd say |i say )*(?:take|put|keep|give|bring|hand|tell"
    r"|go|ask|save|spend|let|use|play|choose|pick|report|warn|call|leave|stay|wait|help|write|say|show|send|return"
    r"|donate|invest|buy|start|stop|try|follow|accept|learn|watch|read|work|be|find|look|make|talk|speak|turn|get"
    r"|pass|walk|run|sit|listen|continue|support|move|share|admit|own|explain|offer|check|inform|notify"
    r"|contact)\b(?! me\b| us\b| is| are| was| could| can| may)"
    r"|^\W*(?:one|you|people|we|they|it|she|he|an? \w+|the \w+) (?:should|ought to|must|has to|have to|needs? to)\b"
    r"|\b(?:it's|it is|would be) (?:best|better|right|wiser|wisest|safer|safest) to\b|\bthe (?:right|best|proper"
    r"|only) thing(?: to do)? (?:is|would be)\b|\bbetter to\b",
    re.IGNORECASE,
)
_FRAGMENT_WORDS = 4
_REASON = re.compile(r",?\s\b(?:because|since|as|for the simple reason)\b", re.IGNORECASE)
_NO_FRAGMENT = re.compile(
    r"^\W*(?:i|you|we|he|she|they|it|this|that|there|who|what|why|how)\b|\b(?:is|are|was|were"
    r"|has|have|had|can|could|do|does|did|and|or|of)\b|'s\b",
    re.IGNORECASE,
)


def read_wording(marked: MarkedText, plain: str, options: Sequence[str], prompt: str) -> tuple[int, Way] | None:
    """The option that a reply chooses by its words, and how that is read; None where it is not certain.

    Args:
        marked: the reply as the grammar saw it.
        plain: the same reply without marks.
        options: their texts, translated as the reply is.
        prompt: the question; "" if unknown.
    """
    if (rest := left_over(marked, len(options))) is not None:
        return rest, "elimination"
    if (sole := sole_option(marked, prompt)) is not None:
        return sole, "wording"
    if _is_salad(plain):
        return None
    for read in (echoed, _distinctive):
        found = read(marked, plain, options, prompt)
        if found is not None:
            return found, "wording"
    return None


def _distinctive(marked: MarkedText, plain: str, options: Sequence[str], prompt: str) -> int | None:
    """The option whose own words the reply uses, and no other option's."""
    if any(mention.kind == "yes/no" or mention.option is None for mention in marked.mentions.values()):
        return None
    own = own_words(options)
    if not any("wait" in option.lower() for option in options) and _phrases.OVERRIDES.search(plain.lower()):
        plain = _phrases.OVERRIDES.split(plain.lower())[-1]
    sentences = [s for s in re.split(r"(?<=[.!?;])\s+|\n+", plain.strip()) if re.search(r"\w", s)]
    if not sentences:
        return None
    sentences = _without_others(sentences)
    plain, last = "\n".join(sentences), sentences[-1]
    if len(sentences) > 1 and (named := _named_last(marked, last)) is not None:
        return named
    if len(sentences) > 1 and _CONCLUDING.search(last) and not LEAVES_OPEN.search(last):
        hits = _hits(last, own, options)
        if len(hits) == 1 and len(last.split()) <= _MAX_SENTENCE_WORDS and not last.endswith("?"):
            return next(iter(hits))
    if LEAVES_OPEN.search(plain):
        return None
    letters = any(mention.kind == "letter" for mention in marked.mentions.values())
    if len(plain.split()) <= _MAX_WORDS and not letters and not any(s.endswith("?") for s in sentences):
        hits = _hits(plain, own, options)
        if len(hits) == 1:
            (option,) = hits
            chosen = [s for s in sentences if _hits(s, own, options)]
            said = _REASON.split(" ".join(chosen))[0]
            if _enough(hits[option], own[option], said, options[option]) and any(
                _commits(s, own[option], options[option], prompt) for s in chosen
            ):
                return option
    return None


_NAMED_LAST = re.compile(
    rf"\b(?:\w+est|remains|left|remaining|only|must|therefore|answer|total|result|most \w+)\b[^.!?]*\b(?:is|are|be"
    rf"|leaves|with|to|equals)\s+(?:the\s+|an?\s+)?(?P<m>{MARK})[\s.!\"')]*$",
    re.IGNORECASE,
)


def _named_last(marked: MarkedText, last: str) -> int | None:
    """The option that the last sentence arrives at: "The easiest to lose is the television."."""
    ending = re.split(r"(?<=[.!?;])\s+|\n+", marked.text.strip())[-1]
    m = _NAMED_LAST.search(ending)
    if m is None or len(re.findall(MARK, ending)) > 1 or _phrases.DENIED.search(ending.lower()):
        return None
    at = marked.text.rindex(ending) + m.start("m")
    return marked.mentions[at].option


def _without_others(sentences: Sequence[str]) -> list[str]:
    """The sentences up to where a reply takes up "the other options"."""
    for number, sentence in enumerate(sentences):
        if number and re.match(r"\W*(?:all )?(?:the )?(?:others?|rest|remaining)\b", sentence, re.IGNORECASE):
            return list(sentences[:number])
    return list(sentences)


def _enough(hits: Sequence[str], own: Sequence[str], plain: str, option: str) -> bool:
    """Whether the reply has enough of an option's own words: half of them, and not its verb with another object."""
    theirs = content_stems(option)
    others = [w for w in content_stems(_affirmed(plain)) if not any_similar([w], theirs)]
    if not others:
        return True
    if len(hits) < 0.5 * len(own) and len(hits) < 2:
        return False
    return len(own) == 1 or len(hits) > 1 or hits[0] != theirs[0]


def _commits(sentence: str, own: Sequence[str], option: str, prompt: str) -> bool:
    """Whether a sentence that uses an option's own words chooses it, and does not just speak of it."""
    sentence = _REASON.split(sentence)[0]
    if _INTENT.search(sentence) or _PRAISE.search(sentence) or _IMPERATIVE.search(sentence):
        return True
    said, asked = content_stems(sentence), content_stems(prompt.split("\n")[0])
    theirs = content_stems(option)
    if (m := _PRESENT.match(sentence)) and any_similar(content_stems(m["verb"]), [*own, *asked]):
        return True
    if m and re.search(r"\byou\b", prompt.split("\n")[0], re.IGNORECASE):
        return True
    rest = [w for w in said if not any_similar([w], theirs)]
    whole = sum(any_similar([w], said) for w in own) >= 0.5 * len(own)
    if not rest and re.search(r"\b(?:can|could)\b", sentence):
        return False
    speaks_of = bool(_IS.search(sentence)) and not _IS.search(option) and not _CLEFT.match(sentence)
    if not rest and speaks_of:
        return False
    if not rest:
        return whole or (len(sentence.split()) <= _FRAGMENT_WORDS and not _NO_FRAGMENT.search(sentence))
    if not speaks_of and len(rest) <= 0.4 * len(said) and len(said) - len(rest) >= 2:
        return True
    if (
        sentence.rstrip().endswith("!")
        and len(sentence.split()) <= 6
        and not re.match(r"\W*\w+ (?:and|or)\b", sentence)
        and any_similar(content_stems(sentence.split()[0]), own)
    ):
        return True
    if re.match(_OPENING + r"i'm an? ", sentence, re.IGNORECASE):
        return True
    answers = all(any_similar([w], asked) for w in rest) and bool(re.search(r"[.!]\W*$", sentence))
    return answers or (whole and bool(_CLEFT.match(sentence)))


def _affirmed(text: str) -> str:
    """The clauses of a text that deny nothing, up to where they speak of what is not chosen."""
    clauses = re.split(r"[,;:.!?\n–—]+|(?<!anything )(?<!everything )(?<!all )\bbut\b|\bso\b", text.lower())
    return ". ".join(
        _CONTRAST.split(clause)[0] for clause in clauses if not NEGATION.search(_CONTRAST.split(clause)[0])
    )


def _hits(text: str, own: Sequence[Sequence[str]], options: Sequence[str]) -> dict[int, list[str]]:
    """The words of each option that the text has, without what it denies; {} where that is not clear."""
    found: dict[int, list[str]] = {}
    said, whole = content_stems(_affirmed(text)), content_stems(text)
    for option, words in enumerate(own):
        denies = bool(NEGATION.search(options[option]))
        here = [w for w in words if any(similar(w, s) for s in (whole if denies else said))]
        if denies and here and not NEGATION.search(text):
            return {}
        if here:
            found[option] = here
    return found


_SALAD = re.compile(
    r"\b(?:the|an?)\s+(?:of|the|an?|in|on|to|do|or|and|is|you|for|with|prefer)\b|\b(?:the|an|of|or|and)\W*$",
    re.IGNORECASE,
)
_MIN_LOOP_WORDS = 6


def _is_salad(plain: str) -> bool:
    """Whether a reply repeats itself, breaks off or has words in no order."""
    words = re.findall(r"\w+", plain.lower())
    repeats = len(words) >= _MIN_LOOP_WORDS and len(set(words)) < 0.5 * len(words)
    return repeats or bool(_SALAD.search(plain))
