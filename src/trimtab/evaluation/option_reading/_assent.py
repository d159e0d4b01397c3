"""Yes and no in other words: "of course", "not a chance", "I don't agree", "they did".

They are answers only where one option says yes and the other no: Yes and No, True and False, Agree and Disagree, "I
would object" and "I would not object". They are looked for where a sentence or a clause begins, as answers stand there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from trimtab.evaluation.option_reading._stems import content_stems, similar

_PRONOUN = r"(?:nobody else|everybody|i|we|you|they|he|she|it|one|that|this|there|people|everyone)"
_AUXILIARY = (
    r"(?:am|is|are|was|were|do|does|did|would|will|can|could|should|shall|must|may|might|have|has|had|ought to|'d"
    r"|'ll)"
)
_VERY = (
    r"(?:(?:very|so|really|most|absolutely|certainly|definitely|fully|completely|totally|wholly|strongly|entirely"
    r"|quite"
    r"|largely|mostly|generally|wholeheartedly|surely|do|also|still|both|much|just|firmly|honestly|personally"
    r"|probably|would"
    r"|have to|must|tend to|would tend to|somewhat|broadly)[ ,]+)*"
)
_THINK = (
    r"(?:i(?:'m| am) (?:\w+ )?(?:convinced|sure|certain|confident|persuaded|of the opinion|positive)"
    r"|i (?:do )?(?:think|believe|guess"
    r"|suppose|feel|say|hope)|i'd say|i would say)"
)
_NOT = r"(?:n't|not| not| never)"
_THAT = r"(?:that|this|it|which|(?:the|this|that) (?:statement|description|sentence|claim|one|proposition))"
_ABOUT_ME = (
    r"(?:me(?: at all| exactly| perfectly| to a t| all over)?|like me|(?:a lot |very much |just |exactly )*like me"
    r"|true(?: of| for)? me|true|right|correct|accurate"
    r"|the case|so|me to a t|a fact|what i(?:'d| would) say|something i(?:'d| would) say|my (?:view|opinion|position)"
    r"|how i (?:feel|see it))"
)
_YES = (
    r"(?:yes|yeah|yep|yup|yea|aye|ya|sure(?: thing)?|certainly|definitely|absolutely|of course|indeed|naturally"
    r"|surely|totally|affirmative|exactly|precisely|gladly"
    r"|undoubtedly|unquestionably|obviously|clearly|always|very much so|by all means|without (?:a|any) doubt"
    r"|no doubt(?: about (?:it|that))?|no question(?: about (?:it|that))?|without question|without hesitation"
    r"|you bet|you can bet on it|for sure|most certainly|most definitely|certainly yes|very much|a lot|all the time"
    r"|positively|with pleasure|i'm afraid so|it (?:sure )?is|right you are|rather(?= so)"
    r"|(?:that's |that is |it's |it is )?(?:a )?(?:clear |definite |firm |big |resounding )?yes|one hundred percent"
    r"|100 ?%|hell yes|why not|happily|true(?: enough)?|correct|right)"
)
_NO = (
    r"(?:no|nope|nah|naw|nay|never(?: ever)?|(?:absolutely|certainly|definitely|of course|surely|probably|obviously"
    r"|clearly|most certainly|most definitely|unfortunately|sadly|regrettably|surely|hell|heck|possibly|preferably"
    r"|rather|maybe better|better|emphatically|i think|i'm afraid|i fear|i guess|i hope|i'd rather|i would rather"
    r"|i'd say|i believe) not"
    r"|not (?:at all|really|a chance|likely|in the least|in the slightest|ever|today|yet|now|necessarily"
    r"|in a million years|on your life|in any way|by any means|particularly|so|exactly|that i know of|true|correct"
    r"|right|if i can help it|under any circumstances|a bit|anymore|in my (?:opinion|view|book)|for me)"
    r"|no (?:way|chance|need(?: for that| to)?|never|sir|ma'am|thanks?(?: you)?|thank you|not (?:at all|really)"
    r"|i (?:don't|wouldn't)|of course not|shot|reason to|how|siree)(?: at all)?|by no means|in no way"
    r"|under no circumstances?|on no account|out of the question|hardly(?: so)?|far from it|nothing of the (?:sort"
    r"|kind)"
    r"|negative|i doubt (?:it|that)|i think not|i'm afraid not|(?:it's |it is |that's |that is )?(?:a )?(?:clear "
    r"|definite |firm |big |resounding |hard )?no|forget it|don't|hell no|anything but|false|incorrect|wrong|untrue"
    r"|on the contrary|quite the (?:opposite|contrary)|the opposite is true)"
)
_AGREE = (
    rf"(?:i|we|i'm|i am|i'd|i'll|i would)[ ,]+{_VERY}(?:agree|concur|approve|in (?:full |complete |total "
    rf"|broad )?agreement(?! with)|in favou?r(?: of (?:it|that|this))?|on board|all for (?:it|that)|for it"
    rf"|willing(?: to)?|happy to|ready to|prepared to|open to (?:it|that)|share (?:this|that) view|support (?:it|this"
    rf"|that))(?: with (?:that|this|it|you|them|the (?:statement|claim|sentence)))?"
)
_DISAGREE = (
    rf"(?:i|we|i'm|i am|i'd|i would)[ ,]+{_VERY}(?:disagree|dissent|disapprove|beg to differ|in (?:full "
    rf"|complete |total )?disagreement|against (?:it|that|this)|opposed(?: to (?:it|that|this))?|oppose (?:it|that"
    rf"|this)|object(?: to (?:it|that|this))?|unwilling|think otherwise|refuse to(?= [a-z])(?! answer| say| choose)"
    rf"|reject (?:it|that|this))(?: with (?:that|this|it|you|them|the (?:statement|claim|sentence)))?"
)
_NOT_AGREE = (
    rf"(?:i|we)(?: really| just)? ?(?:don't|do not|cannot|can't|can not|couldn't|wouldn't|won't|would not"
    rf"|'m not|am not)[ ,]+{_VERY}(?:agree|concur|approve|in agreement|in favou?r|on board|willing|support (?:it|this"
    rf"|that)|think so|believe so|want (?:that|this|to)|share (?:this|that) view|see it that way)(?: with (?:that"
    rf"|this|it|you|them|the (?:statement|claim|sentence)))?"
)
_ENDS = (
    r"(?=\s*(?:$|[.,;:!…–—\n]|-(?=\s)|[)\"]|\b(?:because|since|as|but|and|at all|to (?:me|that)|with (?:that|this"
    r"|it|the statement|you)|for me)\b))"
)
_AND_MORE = r"(?=\s*(?:$|[.,;:!…–—\n)]|[\w'\"]))"

_MAY_BE_COURTESY = re.compile(
    r"(?:sure(?: thing)?|surely|certainly|of course|absolutely|definitely|indeed|right|true|correct|naturally"
    r"|obviously"
    r"|clearly|exactly|gladly|absolutely yes|happily|always)",
    re.IGNORECASE,
)
_TAKES_UP = re.compile(
    r"\b(?:questions?|let me|let's|help|discuss|explain|explore|here(?:'s| is| are)|depends?|arguments?|both|sides"
    r"|consider"
    r"|topic|think about|i can|i'd be (?:happy|glad)|i am happy|i'm happy|assist|debate|complex|complicated|difficult"
    r"|interesting|important to|many (?:people|factors)|some people|on the one hand)\b",
    re.IGNORECASE,
)
"""Behind a courtesy: the reply takes up the question, and does not answer it."""
_GOES_ELSEWHERE = re.compile(
    r"\s*,\s*(?!(?:that|it|they|i|this|but|and|of course|as|because|since)\b)\S+(?:\s+\S+){2,}"
)
_MIN_WORDS_UNFINISHED = 3
_WORDINGS = (
    (True, rf"(?:i (?:don't|do not|can't|cannot) see why not|why (?:wouldn't|shouldn't) (?:i|we|they|it)"
           rf"|(?:there(?:'s| is)|i (?:see|have)|i'd have) (?:no reason (?:against|not to)[^.!?,]*"
           rf"|nothing against (?:it|that))|nothing (?:speaks )?against (?:it|that)|no objections?(?: from (?:me"
           rf"|my side))?){_ENDS}"),
    (False, rf"(?:there(?:'s| is)|i see) no (?:reason|need) (?:for (?:it|that)|to)[^.!?,]*{_ENDS}"),
    (False, rf"(?:it is|it's|it isn't|that it is) (?:simply |just |definitely |clearly )*(?:not true|false|wrong"
            rf"|untrue|not correct|incorrect|not the case) that{_AND_MORE}"),
    (True, rf"(?:it is|it's) (?:definitely |clearly |indeed |perfectly |certainly )*(?:true|correct"
           rf"|right) that{_AND_MORE}"),
    (False, rf"(?:that's|that is|it's|it is|this is|clearly|obviously) an? (?:\w+ly )?(?:false|untrue|incorrect"
            rf"|wrong) (?:statement|claim|sentence){_ENDS}"),
    (True, rf"(?:that's|that is|it's|it is|this is|clearly|obviously) an? (?:\w+ly )?(?:true|correct) (?:statement"
           rf"|claim|sentence){_ENDS}"),
    (False, rf"(?:totally|absolutely|completely|clearly|definitely|obviously|certainly|plainly|simply|just) (?:false"
            rf"|untrue|wrong|incorrect){_ENDS}"),
    (True, rf"(?:totally|absolutely|completely|clearly|definitely|obviously|certainly|perfectly|very) (?:true|correct"
           rf"|right){_ENDS}"),
    (False, rf"not at all (?:true|correct|right|like me|me|so){_ENDS}|not in my lifetime{_ENDS}|(?:slightly|strongly"
            rf"|firmly|mostly) (?:against|opposed)(?: it)?{_ENDS}"),
    (True, rf"(?:slightly|strongly|firmly|mostly|all|very much|broadly) in favou?r(?: of (?:it|that))?{_ENDS}"),
    (False, rf"(?:nobody|no one|none) (?:ever )?{_AUXILIARY}{_ENDS}"),
    (False, rf"{_PRONOUN} (?:can't|cannot|won't|shan't|ain't){_ENDS}"),
    (False, rf"(?:definitely |certainly |absolutely |really |it's |it is |that's |that is )*not (?:okay|ok|fine"
            rf"|acceptable|good|right|true|me|like me)(?: at all)?{_ENDS}"),
    (False, rf"(?:strongly|completely|totally|fully|wholly|absolutely|respectfully|somewhat"
            rf"|wholeheartedly) disagree{_ENDS}"),
    (True, rf"(?:strongly|completely|totally|fully|wholly|absolutely|somewhat|wholeheartedly) agreed?{_ENDS}"),
    (True, rf"(?:i |we )?couldn't agree more{_AND_MORE}"),
    (False, rf"(?:i |we )?couldn't disagree more{_AND_MORE}"),
    (False, rf"{_NOT_AGREE}{_AND_MORE}"),
    (True, rf"{_AGREE}(?! with (?:neither|both|\W))(?! to disagree){_AND_MORE}"),
    (False, rf"{_DISAGREE}{_AND_MORE}"),
    (True, rf"i(?: do)? (?:{_VERY})?(?:think|believe|suppose|guess|would say|hope|say) so{_ENDS}"),
    (True, rf"i'd say so{_ENDS}"),
    (False, rf"i (?:{_VERY})?(?:don't|do not|wouldn't|can't) (?:{_VERY})?(?:think|believe|suppose|say) so{_ENDS}"),
    (False, rf"(?:{_THINK},? (?:that )?)?{_PRONOUN} ?{_AUXILIARY}{_NOT}(?: be| have| have been)?(?:,? (?:really"
            rf"|at all|ever|normally|usually|actually|in my view))*{_ENDS}"),
    (True, rf"(?:{_THINK},? (?:that )?)?{_PRONOUN} (?:\w+ly |really |sure )?{_AUXILIARY}(?<!'d)(?<!'ll)(?: be| have"
           rf"| have been)?(?: indeed| so| certainly)?{_ENDS}"),
    (False, rf"{_THAT}(?:'s| is| does| was| would be)? ?(?:n't|not|hardly|never|in no way)(?: (?:really|at all|quite"
            rf"|be|true|even|sound|sounds|describe|describes|seem|the|a))* ?{_ABOUT_ME}{_ENDS}"),
    (False, rf"{_THAT}(?:'s| is) (?:simply |just |plainly |clearly |obviously |quite |{_VERY})*(?:false|wrong|untrue"
            rf"|incorrect|not so|a lie|nonsense|a myth){_ENDS}"),
    (True, rf"{_THAT}(?:'s| is| would be)? (?:sounds |describes |really |very much |exactly |definitely |certainly "
           rf"|absolutely |quite |perfectly |totally |indeed |just |a lot |much |so |both )*{_ABOUT_ME}{_ENDS}"),
    (True, rf"(?:sounds|describes|is|seems) (?:a lot |very much |just |exactly |about |really )*(?:like me|me|right"
           rf"|about right)(?: to me)?{_ENDS}"),
    (False, rf"{_THAT}(?:'s| is| would be|'d be)? (?:nothing|not (?:something|anything|a thing)|hardly something"
            rf"|the last thing|never something|the opposite of what|far from what|unlike) (?:i|me)[^.!?,]*{_ENDS}"),
    (True, rf"{_THAT}(?:'s| is| would be|'d be)? (?:something|just what|exactly what|the sort of thing"
           rf"|the kind of thing|pretty much what) i (?:would|'d|might|could|can|do|always|often|will)(?! not"
           rf"| never)[^.!?,]*{_ENDS}"),
    (True, rf"i(?:'d| would) (?:\w+ly )?(?:love to|like to|be (?:happy|glad|willing|delighted|inclined|ready"
           rf"|pleased) to|do (?:it|that|so)|say that|go for it|dare to)(?![^.!?]*\b(?:but|if)\b){_AND_MORE}"),
    (False, rf"i(?:'d| would|'ll| will) never(?: ever)?(?: \w+ (?:it|that|this|so|such a thing"
            rf"|anything like that))?{_ENDS}"),
    (False, rf"not (?:something|anything|a thing|exactly something|what) (?:that )?i(?:'d| would|'m| am| do"
            rf"| want)?[^.!?,]*{_ENDS}"),
    (False, rf"i (?:really |honestly |just )?(?:don't|do not|can't|cannot) (?:really )?(?:think|believe|feel|see why"
            rf"|see that)(?: that)? {_PRONOUN} {_AUXILIARY}[^.!?,;]*{_ENDS}"),
    (False, rf"i (?:wouldn't|would not|don't|do not|won't|will not|can't|couldn't) (?:ever )?(?:do|say|accept|want"
            rf"|agree to|support|recommend|approve of|call) (?:it|that|this|so|such a thing"
            rf"|anything like that)(?: at all| ever)?{_ENDS}"),
    (False, rf"(?:i |we )?(?:vote|am voting|would vote|'d vote)(?: for)? (?:no|against(?: it| that)?){_ENDS}"),
    (True, rf"(?:i |we )?(?:vote|am voting|would vote|'d vote)(?: for)? (?:yes|in favou?r|for it){_ENDS}"),
    (True, rf"(?:why not|go for it|go ahead|let's do it|do it|count me in(?: favou?r)?|i'm in|i'm game|please do"
           rf"|that would be (?:a )?(?:good|great|fine|nice|lovely|wonderful)(?: idea| thing)?|(?:that's |that is "
           rf"|it's |it is )?a (?:good|great|splendid|wonderful) idea|(?:that's |it's |that is |it is )?(?:fine|okay"
           rf"|ok|all right|alright|perfectly fine|acceptable) (?:by|with) me|i'm with you(?: on that)?"
           rf"|i'd be all for it|it'd be nice|how could i not|you're right|guilty as charged|bingo|spot on|that fits"
           rf"|fits me){_ENDS}"),
    (False, rf"(?:please don't|count me out|i'll pass|i pass|hard pass|no deal|not for me|don't do it|(?:that's "
            rf"|it's |that is |it is )?a (?:bad|terrible|horrible|awful) idea|i see (?:it|that|things) differently"
            rf"|quite the opposite|i'm not (?:convinced|so sure about that|a fan(?: of (?:it|that))?|into that)"
            rf"|that(?:'s| is) going too far|not if i (?:can|could) help it|not if i had a say|what a bad idea"
            rf"|nonsense|rubbish|i can't support that|over my dead body|not my thing|that fits me badly){_ENDS}"),
    (False, rf"{_YES},? {_PRONOUN} ?{_AUXILIARY}{_NOT}{_ENDS}"),
    (True, rf"{_YES},? (?:that )?{_PRONOUN} {_AUXILIARY}{_ENDS}"),
    (True, rf"{_PRONOUN} (?:absolutely|definitely|certainly|really|probably|surely|clearly|totally"
           rf"|most certainly) {_AUXILIARY}{_ENDS}"),
    (False, rf"{_PRONOUN}(?:'m|'re|'s) (?:really |definitely |certainly |absolutely )?not{_ENDS}"),
    (False, rf"(?:it|that|this)'s (?:really |definitely |certainly |absolutely )?not{_ENDS}"),
    (False, rf"{_NO}{_ENDS}"),
    (True, rf"{_YES}(?:,? (?:absolutely|definitely|certainly|indeed|sir|ma'am|very much so|please|of course|thank you"
           rf"|always|without a doubt|for sure))*{_ENDS}"),
)  # fmt: skip
_TWICE_DENIED = (
    (re.compile(r"\b(?:can't|cannot|can not|couldn't|wouldn't) (?:really |honestly )?say (?:that )?(?:i|we|it|they|he"
                r"|she) (?:am|are|do|does|did|would|is|was|will|have)\b", re.IGNORECASE), "no"),
    (re.compile(r"\b(?:can't|cannot|can not|couldn't|won't|wouldn't|don't|do not) (?:really |in all honesty "
                r"|honestly )?(?:deny|dispute|argue with)(?: (?:it|that))?\b|\bthere(?:'s| is) no (?:denying|doubt"
                r"|question)(?: that| about that| about it)?\b", re.IGNORECASE), "yes "),
    (re.compile(r"\b(?:don't|do not|wouldn't|would not|can't|cannot"
                r"|couldn't(?! disagree more)) (?:really )?(?:disagree|differ)\b", re.IGNORECASE), "agree"),
    (re.compile(r"\b(?:wouldn't|would not|won't|couldn't|can't|don't|never) say no\b", re.IGNORECASE), "say yes"),
    (re.compile(r"(?:\bnot|n't) (?:un(?=true|like|willing|likely|fair)|in(?=correct|accurate)|dis(?=agree))",
                re.IGNORECASE), " "),
    (re.compile(r"(?:\bnot|n't) (?:false|wrong|a lie)\b", re.IGNORECASE), " true"),
)  # fmt: skip


def without_double_negations(text: str) -> str:
    """The text with "can't deny that" and the like in plain words."""
    for pattern, plainly in _TWICE_DENIED:
        text = pattern.sub(plainly, text)
    return text


_BEGINS = r"(?:^|(?<=[.!?;:…\n–—,])|(?<=\bbut)|(?<=\band)|(?<=\bso)|(?<=\bwell)|(?<=\boh)|(?<=\"))\s*"
_PATTERNS = [(says_yes, re.compile(f"{_BEGINS}(?P<words>{words})", re.IGNORECASE)) for says_yes, words in _WORDINGS]

_SAYS_YES = re.compile(
    r"(?:yes|true|agree|i agree|correct|right|yeah|i would|i do|i will|i am|accurate|likely|absolutely yes)",
    re.IGNORECASE,
)
_SAYS_NO = re.compile(
    r"(?:no|false|disagree|i disagree|incorrect|wrong|nope|i would not|i wouldn't|i do not|i don't|i won't|i will not"
    r"|i am not|i'm not|inaccurate|unlikely|not true"
    r"|absolutely not|do not agree|i do not agree|i don't agree|don't agree)",
    re.IGNORECASE,
)
_NEGATION = re.compile(r"\b(?:not|never|no|cannot)\b|n't\b|\bne\b", re.IGNORECASE)


def sides(options: Sequence[str]) -> tuple[int, int] | None:
    """(the option that says yes, the one that says no); None where they are no such pair."""
    if len(options) != 2:
        return None
    plain = [_plain(option) for option in options]
    for yes, no in ((0, 1), (1, 0)):
        if _SAYS_YES.fullmatch(plain[yes]) and _SAYS_NO.fullmatch(plain[no]):
            return yes, no
        leads = [m[1].lower() if (m := re.match(r"\W*(\w+)", option)) else "" for option in options]
        if leads[yes] in ("yes", "true") and leads[no] in ("no", "false"):
            return yes, no
    return _denied_copy(plain)


def is_plain(options: Sequence[str]) -> bool:
    """Whether the options are nothing but a yes and a no, in some wording."""
    return all(_SAYS_YES.fullmatch(text) or _SAYS_NO.fullmatch(text) for text in map(_plain, options))


def _plain(option: str) -> str:
    return re.sub(r"[^\w' ]+", " ", option).strip()


def asked_sides(plain: Sequence[str], prompt: str) -> tuple[int, int] | None:
    """The same of two options of which the question asks for one: "Would you accept?" with "Accept" and "Decline"."""
    if len(plain) != 2:
        return None
    question = prompt.split("\n")[0].strip()
    last = re.split(r"(?<=[.!?])\s+", question)[-1]
    if (
        not re.match(rf"{_AUXILIARY} (?:{_PRONOUN}|the|an?)\b", last, re.IGNORECASE)
        or re.search(r"\bor\b", last, re.IGNORECASE)
        or _NEGATION.search(last)
    ):
        return None
    asked = content_stems(question)
    named = [[word for word in content_stems(option) if any(similar(word, a) for a in asked)] for option in plain]
    own = [[w for w in named[i] if w not in named[1 - i]] for i in (0, 1)]
    if bool(own[0]) == bool(own[1]):
        return None
    return (0, 1) if own[0] else (1, 0)


def _denied_copy(plain: Sequence[str]) -> tuple[int, int] | None:
    """Options of which one denies the other: "I cheat", "I don't cheat"."""
    counts = [len(_NEGATION.findall(option)) for option in plain]
    words = [_bare(option) for option in plain]
    if sorted(counts) == [0, 1] and words[0] == words[1]:
        return (0, 1) if counts[0] == 0 else (1, 0)
    return None


def _bare(option: str) -> list[str]:
    text = re.sub(
        r"\b(?:do|does|did|would|wo|is|are|ca)n't\b|\b(?:not|never|do|does|did|would|will)\b", " ", option.lower()
    )
    return [word[:-1] if word.endswith("s") else word for word in text.split()]


def agreements(text: str) -> Iterator[tuple[int, int, bool]]:
    """(start, end, whether it says yes) of every place where a clause begins with a yes or a no in some wording."""
    for says_yes, pattern in _PATTERNS:
        for m in pattern.finditer(text):
            if not (says_yes and _is_courtesy(m["words"], text[m.end("words") :])):
                yield m.start("words"), m.end("words"), says_yes


def _is_courtesy(words: str, rest: str) -> bool:
    """Whether words of assent only open a reply: "Sure! Here are some arguments", "True, robots are common"."""
    if not _MAY_BE_COURTESY.fullmatch(words):
        return False
    unfinished = len(rest.split()) >= _MIN_WORDS_UNFINISHED and not re.search(r"[.!…\"')]\s*$", rest)
    spoken_of = re.fullmatch(r"true|right|correct", words, re.IGNORECASE) and _GOES_ELSEWHERE.match(rest)
    return bool(_TAKES_UP.search(rest) or unfinished or spoken_of)
