"""Words by which replies in Chinese, Japanese and Korean answer, as their English ones."""

from __future__ import annotations

import re

_CJK = "぀-ヿ㐀-鿿가-힯"
UNSPACED = re.compile(f"[{_CJK}]")
"""A character of a script that writes no spaces between words, or joins particles to them."""

_LABEL = r"[(（]?[A-Ha-h][)）]?"
# Chinese, Japanese and Korean write no spaces between words.
_UNSPACED = (
    ("both", "两者都|两个都|都可以|(?<!首)都是|都对|両方|どちらも(?=好|大|良|い)|둘 다"),
    ("neither", "都不|两者都不|どちらでもない|둘 다 아니"),
    ("absolutely yes", "(?<!ないと)そう思います"),
    ("absolutely not", "そうは?思いません|べきでは(?:ありません|ない)|そんなことはありません|とんでもない"),
    ("i disagree", "我?(?:不太同意|不怎么同意|不同意|不赞成|反对)|反対です?|同意しません|동의하지 않"),
    ("i agree", "我?(?:非常|完全)?(?:同意|赞成|赞同)|賛成です?|同意します|동의합니다"),
    ("it depends", "取决于|看情况|視情況|場合による|によります|경우에 따라|따라 다"),
    ("hard to say", "很难说|难说|不知道|不确定|不好说|我没有(?:个人)?(?:意愿|意见|偏好|观点)|无法(?:回答|选择|判断)"
                    "|わかりません|分かりません|答えられません|言えません|何とも言え"
                    "|모르겠|대답할 수 없"),
    ("wait , actually", "等等|不对|不，应该|更正|应该是|其实|いや、|待って|やっぱり|実は|아니, |사실은|다시 생각해"),
    ("absolutely not", "当然不(?:会|是|行|愿意)?|绝对不(?:会|是|行|愿意)?|绝不|不会|不行|不可以|不应该|不是|不能"
                       "|不对|もちろんいいえ|絶対に(?:ない|いいえ|しません)|全然|決して"
                       "|절대 (?:아니|안)\\w*|아니(?:요|오|에요)"),
    ("absolutely yes", "当然(?:会|是|可以|愿意|了)?|没错|肯定(?:会|是)?|是的|对的|可以的|会的|好的"
                       "|もちろん(?:です)?|はい|ええ|そうです|그럼요|물론(?:이죠|입니다)?"
                       "|네(?=[,. !]|$)|예(?=[,. !]|$)|그렇습니다"),
    ("no", "いいえ|ううん|否(?=[,，。. !]|$)|不(?=[,，。. !]|$)"),
    ("yes", "うん|是(?=[,，。. !]|$)|会(?=[,，。. !]|$)|对(?=[,，。. !]|$)"),
    ("the first one", "一つ目(?:の(?:選択肢|もの|方))?|第一(?:个|個|项|項|种|種)?(?:选项|選項|答案)?"
                      "|一番目(?:の(?:選択肢|もの|方))?|最初(?:の(?:選択肢|もの"
                      "|方))?|1番目|前者|첫 ?번째(?: (?:것|선택지|보기))?|1번"),
    ("the second one", "二つ目(?:の(?:選択肢|もの|方))?|第二(?:个|個|项|項|种|種)?(?:选项|選項|答案)?"
                       "|二番目(?:の(?:選択肢|もの|方))?|2番目(?:の(?:選択肢|もの"
                       "|方))?|后者|後者|두 ?번째(?: (?:것|선택지|보기))?|2번"),
    ("the third one", "三つ目(?:の(?:選択肢|もの|方))?|第三(?:个|個|项|項|种|種)?(?:选项|選項|答案)?"
                      "|三番目(?:の(?:選択肢|もの|方))?|3番目|세 ?번째(?: (?:것"
                      "|선택지|보기))?|3번"),
    ("the last one", "最后(?:一个|一项|的)?|最後(?:の(?:選択肢|もの|方)|一個)?|마지막(?: (?:것|선택지|보기))?"),
    ("i would choose", "我(?:会|會|想|要)?(?:选择|選擇|选|選|更喜欢|更喜歡|喜欢|比较喜欢|倾向于|宁愿)"),
    ("the answer is", "(?:正确|我的|正確な?|正しい)?(?:答案|选择|答え|回答|解答)(?:应该)?(?:是|为|為|は|：|:)"
                      "|(?:정답|답|제 선택)(?:은|는)"),
    ("option", f"(?:选项|選項|選択肢|オプション|보기|선택지)(?= *{_LABEL})"),
)  # fmt: skip
_UNSPACED_WORDS = [(re.compile(phrases), english) for english, phrases in _UNSPACED]
_CHOSEN_UNSPACED = (
    re.compile(rf"({_LABEL})\s*(?:を選(?:びます|ぶ|択します|びたい)|にします|がいい|が正しい|が正解|です|だと思"
               rf"|입니다|이다|를 선택|을 선택|가 정답|이 정답|로 하겠|예요"
               rf"|이에요|是(?:正确|对)|更好|最好|正确)"),
)  # fmt: skip
_BESIDE_LATIN = re.compile(rf"(?<=[{_CJK}])(?=[A-Za-z0-9(（])|(?<=[A-Za-z0-9)）])(?=[{_CJK}])")
_WIDE_MARKS = str.maketrans(
    {"。": ". ", "，": ", ", "、": ", ", "！": "! ", "？": "? ", "；": "; ", "：": ": ", "¿": "", "¡": ""}
)


def translated_unspaced(text: str) -> str:
    """The text with the words that answer in English, set apart by spaces."""
    text = re.sub(r"どちらかというと、?|([A-H])の(?=\w)", r"\1 ", text.translate(_WIDE_MARKS))
    for pattern in _CHOSEN_UNSPACED:
        text = pattern.sub(r" i would choose \1. ", text)
    for pattern, english in _UNSPACED_WORDS:
        text = pattern.sub(f" {english} ", text)
    text = re.sub(r"(?:^|(?<=[.,!?] ))\s*我(?=[不愿想会要可能])|[吧啊呢呀哦]+(?=[.,!?\s]|$)", "", text)
    text = _BESIDE_LATIN.sub(" ", text)
    return re.sub(r" +(?=[.,!?;:]|$)", "", re.sub(r"[ \t]{2,}", " ", text)).strip()
