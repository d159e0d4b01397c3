"""Content words, shortened so that forms of one word agree."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FUNCTION_WORDS = _words(
    """
    a an the this that these those i you he she it we they me him her us them my your his its our their mine
    yours myself yourself itself themselves one ones is am are was were be been being do does did done doing
    have has had having will would shall should can could may might must ought need not no nor yes n't never and
    or but if then so as than because since while though although of in on at to from by with for about into
    over under out up down off who whom whose which what when where why how all any some each every both either
    neither few more most much many such only own same very too also just still even there here again once now
    always often really quite rather perhaps maybe please well oh definitely certainly obviously absolutely
    clearly surely course probably honestly personally simply sure indeed sadly believe believes guess feel
    suppose prefer best better liebsten lieber get got go goes going make makes made thing things something
    anything everything i'd i'll i'm i've we'd you'd they'd it's that's there's he's she's let's like want wants
    say says said think choose option answer choice statement first second third last thanks thank nur bitte
    danke merci gracias grazie einen einem beaucoup mucho molto muito sehr очень bardzo çok erg veel heel gerne
    gern de la le les un une des du et est que qui je tu il elle nous vous ils ce se en au aux pour par dans sur
    avec mon ma mes son sa ses der die das den dem ein eine einer und ist ich er sie es wir ihr mich mir dich
    dir sich zu von mit für auf im bei aus als auch el los las uno una unos unas y lo al del con por para mi su
    yo gli e di da per tra fra mio mia o os um uma dos em na com meu minha het een van ik hij zij wij mijn te op
    met voor и в на с к по из у о я ты он она мы вы они это не бы что как
    """
)
"""Words that carry no content, of English and of the languages of `_translation`."""
_IRREGULAR = {
    "told": "tell", "kept": "keep", "gave": "give", "given": "give", "took": "take", "taken": "take", "wrote":
    "write", "written": "write", "bought": "buy", "left": "leave", "leaving": "leave", "spoke": "speak",
    "spoken": "speak", "knew": "know", "known": "know", "broke": "break", "broken": "break", "chose": "choose",
    "sold": "sell", "paid": "pay", "spent": "spend", "found": "find", "brought": "bring", "thought": "think",
    "felt": "feel", "won": "win", "lost": "lose", "ate": "eat", "eaten": "eat", "drank": "drink", "drove":
    "drive", "hid": "hide", "hidden": "hide", "lied": "lie", "lying": "lie", "stole": "steal", "ran": "run",
    "swam": "swim", "met": "meet", "children": "child", "men": "man", "women": "woman",
}  # fmt: skip
_NUMBERS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_CONJUGATED = _words(
    "r er ar ir re ai ais rai rais erai erais eria aria iria ria ei erei en st te ten e o a i es as ion ions"
)
"""What a conjugated form may have behind its stem, in the languages of `_translation`."""
_ENDINGS = re.compile(r"(?:'s|ies|ied|ing|edly|ed|es|s|ly|er|est)$")
_MIN_STEM = 3


def content_stems(text: str) -> list[str]:
    """The content words of a text, each once, without common endings and accents."""
    found: dict[str, None] = {}
    for word in re.findall(r"\d+(?:[.,]\d+)+|[^\W_]+(?:[-'][^\W_]+)*", text.lower()):
        if (number := _number(word)) is not None:
            found[str(number)] = None
        elif word not in _FUNCTION_WORDS and not re.search(r"n't$|'(?:ll|d|re|ve|m)$", word):
            found[_stem(word)] = None
    return list(found)


def _number(word: str) -> int | None:
    """The value of a number word from two to ninety-nine."""
    tens, _, unit = word.partition("-")
    if tens in _TENS and (not unit or unit in _NUMBERS[1:10]):
        return 10 * (2 + _TENS.index(tens)) + (_NUMBERS.index(unit) if unit else 0)
    return _NUMBERS.index(word) if word in _NUMBERS[2:] else None


def with_digits(text: str, options: Sequence[str]) -> str:
    """The text with number words as digits, where all options are numbers."""
    if not all(re.fullmatch(r"\d{1,2}", option.strip()) for option in options):
        return text
    return re.sub(r"[A-Za-z]+(?:-[A-Za-z]+)?", lambda m: m[0] if (n := _number(m[0].lower())) is None else str(n), text)


def _stem(word: str) -> str:
    word = _IRREGULAR.get(word, word)
    word = "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))
    cut = _ENDINGS.sub("", word)
    cut = cut if len(cut) >= _MIN_STEM else word
    return cut[:-1] if len(cut) > _MIN_STEM + 1 and (cut[-1] == "e" or cut[-1] == cut[-2]) else cut


def similar(a: str, b: str) -> bool:
    """Whether two stems are likely forms of one word: equal, or alike for most of their length."""
    if a == b:
        return True
    common = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    if common == min(len(a), len(b)) >= 4 and max(a, b, key=len)[common:] in _CONJUGATED:
        return True
    return common >= 4 and common >= 0.7 * max(len(a), len(b))


def any_similar(words: Sequence[str], others: Sequence[str]) -> bool:
    """Whether some word of one list is a form of one of the other."""
    return any(similar(word, other) for word in words for other in others)


def own_words(options: Sequence[str]) -> list[list[str]]:
    """The content words of each option that are in no other."""
    stems = [content_stems(option) for option in options]
    return [
        [w for w in mine if not any(similar(w, o) for j, theirs in enumerate(stems) if j != i for o in theirs)]
        for i, mine in enumerate(stems)
    ]
