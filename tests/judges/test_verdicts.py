"""Reading what judges say: the right numbers, or a reason why there are none."""

from __future__ import annotations

import re

import pytest

from trimtab.judges._verdicts import Scores, UnreadableError, Verdict, read_verdict

PLAIN = '{"reply_1": {"behavior": 7, "coherence": 9}, "reply_2": {"behavior": 2, "coherence": 8}}'
READ = Verdict(Scores(7, 9), Scores(2, 8))


def with_value(value: str) -> str:
    return PLAIN.replace("7", value, 1)


READABLE = {
    "plain": PLAIN,
    "spread over lines": PLAIN.replace(", ", ",\n  ").replace("{", "{\n"),
    "in a code fence": f"```json\n{PLAIN}\n```",
    "in a bare code fence": f"```\n{PLAIN}\n```",
    "words before": f"Here is my assessment:\n{PLAIN}",
    "words after": f"{PLAIN}\nReply 1 is much more cheerful.",
    "braces in the words": f"I use {{curly}} words. {PLAIN} {{done}}",
    "another object beside it": f'{{"note": "see below"}} {PLAIN}',
    "digits in quotes": with_value('"7"'),
    "digits in quotes with spaces": with_value('" 7 "'),
    "a decimal": with_value("7.0"),
    "an exponent": with_value("0.7e1"),
    "extra keys": PLAIN.replace('"behavior": 7', '"why": "it says {yay}", "behavior": 7'),
    "extra keys outside": PLAIN[:-1] + ', "comment": "close call"}',
    "other order of keys": '{"reply_2": {"coherence": 8, "behavior": 2}, "reply_1": {"coherence": 9, "behavior": 7}}',
    "keys as titles": PLAIN.replace("reply_", "Reply "),
    "keys with hyphens": PLAIN.replace("reply_", "reply-"),
    "British spelling": PLAIN.replace("behavior", "behaviour"),
    "said twice alike": f"{PLAIN}\n\nOnce more:\n{PLAIN}",
    "after thinking": f"<think>Perhaps {with_value('3')}? No.</think>{PLAIN}",
    "after the form repeated": f'{{"reply_1": {{"behavior": <0 to 10>, "coherence": <0 to 10>}}}}\n{PLAIN}',
    "with a byte order mark": "\ufeff" + PLAIN,
}

UNREADABLE = {
    "": "it is empty",
    "  \n ": "it is empty",
    "7": "no JSON object",
    "Reply 1: behavior 7, coherence 9. Reply 2: behavior 2, coherence 8.": "no JSON object",
    "I'm sorry, but I can't rate this content.": "no JSON object.*I'm sorry, but I can't rate",
    "{}": "no JSON object with reply_1",
    "[7, 9, 2, 8]": "no JSON object",
    "null": "no JSON object",
    PLAIN[:-1]: "no JSON object",
    PLAIN[: len(PLAIN) // 2]: "no JSON object",
    PLAIN.replace('"', "'"): "no JSON object",
    PLAIN.replace("}}", "},}"): "no JSON object",
    '{"behavior": 7, "coherence": 9}': "no JSON object with reply_1",
    '{"reply_1": {"behavior": 7, "coherence": 9}}': "reply_2 is missing",
    '{"reply_2": {"behavior": 7, "coherence": 9}}': "reply_1 is missing",
    '{"reply_1": {"behavior": 7, "coherence": 9}} {"reply_2": {"behavior": 7, "coherence": 9}}': "is missing",
    '{"reply_1": 7, "reply_2": 2}': "reply_1 is not an object",
    '{"reply_1": [7, 9], "reply_2": [2, 8]}': "reply_1 is not an object",
    PLAIN.replace('"behavior": 7, ', ""): "behavior of reply_1 is missing",
    PLAIN.replace(', "coherence": 8', ""): "coherence of reply_2 is missing",
    with_value("11"): "behavior of reply_1 is not from 0 to 10",
    with_value("10.01"): "not from 0 to 10",
    with_value("-1"): "not from 0 to 10",
    with_value("70"): "not from 0 to 10",
    with_value('"11"'): "not from 0 to 10",
    with_value("1e999"): "not from 0 to 10",
    with_value("9" * 5000): "not from 0 to 10",
    with_value("NaN"): "NaN is no number",
    with_value("Infinity"): "Infinity is no number",
    with_value("true"): "not a number",
    with_value("false"): "not a number",
    with_value("null"): "behavior of reply_1 is missing",
    with_value('"7/10"'): "not a number",
    with_value('"seven"'): "not a number",
    with_value('"٧"'): "not a number",
    with_value('""'): "not a number",
    with_value('"-7"'): "not a number",
    with_value("[7]"): "not a number",
    with_value('{"score": 7}'): "not a number",
    PLAIN.replace('"behavior": 7', '"behavior": 3, "behavior": 7'): "a key twice",
    PLAIN.replace('"behavior": 7', '"behavior": 3, "behaviour": 7'): "a key twice",
    f"First {with_value('3')}, but on reflection {PLAIN}": "verdicts that differ",
    f"<think>Perhaps {PLAIN}": "thinking has no end",
    f"<think>Perhaps {PLAIN}</think>": "no JSON object",
    '{"reply_1":' * 15_000: "no JSON object",
    "{" * 15_000: "no JSON object",
    "x" * 30_000 + PLAIN: "no JSON object",
}


@pytest.mark.parametrize("said", READABLE.values(), ids=READABLE)
def test_a_clear_verdict_is_read(said: str) -> None:
    assert read_verdict(said) == READ


@pytest.mark.parametrize(
    ("said", "why"), UNREADABLE.items(), ids=[f"{why} {i}" for i, why in enumerate(UNREADABLE.values())]
)
def test_whatever_leaves_doubt_is_no_verdict(said: str, why: str) -> None:
    with pytest.raises(UnreadableError, match=why):
        read_verdict(said)


@pytest.mark.parametrize(("value", "number"), [("0", 0.0), ("10", 10.0), ("10.0", 10.0), ('"0"', 0.0), ("6.5", 6.5)])
def test_the_ends_of_the_scale_and_halves_count(value: str, number: float) -> None:
    assert read_verdict(with_value(value)).first.behavior == number


def test_the_table_is_large_enough_to_trust() -> None:
    assert len(READABLE) + len(UNREADABLE) >= 60


def test_a_reason_quotes_the_beginning_only() -> None:
    with pytest.raises(UnreadableError) as raised:
        read_verdict("I think\n\nthat " + "word " * 500)
    message = str(raised.value)
    assert re.search(r"'I think that word .*…'$", message)
    assert len(message) < 200
