"""After rendering, every message's text stands in the prompt, or the model is said to lose it."""

from __future__ import annotations

import pickle

import pytest

from tiny import CHAT_TEMPLATE, tiny_tokenizer
from trimtab.data import Message, Pair
from trimtab.errors import DataError
from trimtab.models import PromptError, encode_pairs, encode_prompt, render_prompt
from trimtab.models.prompting.encoding import PairError

EACH = "{% for m in messages %}<|{{ m['role'] }}|>BODY<|end|>{% endfor %}<|assistant|>"
TALK = [Message(role="system", content="Be kind."), Message(role="user", content="Hi")]
LONG = [
    *TALK,
    Message(role="assistant", content="<think>\nhm\n</think>\n\nHello."),
    Message(role="user", content="  Well,\n\n  so?  "),
]

KEEPS = {
    "as it is": EACH.replace("BODY", "{{ m['content'] }}"),
    "trimmed": EACH.replace("BODY", "{{ m['content'] | trim }}"),
    "without the thinking of earlier answers": EACH.replace(
        "BODY", "{{ m['content'].split('</think>')[-1] | trim if m['role'] == 'assistant' else m['content'] }}"
    ),
    "parts": EACH.replace(
        "BODY", "{% for p in m['content'] %}{% if p['type'] == 'text' %}{{ p['text'] }}{% endif %}{% endfor %}"
    ),
    "parts only": EACH.replace("BODY", "{{ m['content'][0]['text'] }}"),
    "parts concatenated": EACH.replace("BODY", "{{ '' + m['content'][0].text }}"),
    "the system message in the user's": (
        "{% set s = messages[0]['content'] if messages[0]['role'] == 'system' else '' %}"
        "{% for m in messages if m['role'] != 'system' %}<|{{ m['role'] }}|>{{ s if loop.first }} {{ m['content'] }}"
        "{% endfor %}<|assistant|>"
    ),
}  # fmt: skip


@pytest.mark.parametrize("talk", [TALK, LONG], ids=["short", "long"])
@pytest.mark.parametrize("template", KEEPS.values(), ids=KEEPS)
def test_template_that_keeps_every_message_is_used_as_it_is(template: str, talk: list[Message]) -> None:
    rendered = render_prompt(tiny_tokenizer(template), talk)
    assert "Be kind." in rendered
    assert rendered.count("Hi") == 1
    if talk is LONG:
        assert "Hello." in rendered
        assert "so?" in rendered


SYSTEM = r"message 1 of \d \(the system's\)"
LOSES = {
    "the system message": (EACH.replace("BODY", "{{ m['content'] if m['role'] != 'system' }}"), SYSTEM),
    "system messages, without a trace": (
        "{% for m in messages if m['role'] != 'system' %}{{ m['content'] }}{% endfor %}", SYSTEM,
    ),
    "all but the last message": ("<|user|>{{ messages[-1]['content'] }}<|assistant|>", r"message 1 of"),
    "all that is said": (EACH.replace("BODY", ""), r"message 1 of \d \(the system's\), message 2"),
    "what is long": (EACH.replace("BODY", "{{ m['content'][:4] }}"), "message 1 of"),
    "what is in capitals": (EACH.replace("BODY", "{{ m['content'] | lower }}"), "message 1 of"),
    "the end of thinking, too": (
        EACH.replace("BODY", "{{ m['content'].split('H')[0] if m['role'] == 'assistant' else m['content'] }}"),
        "message 3 of 4 \\(the assistant's\\)",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("template", "named"), LOSES.values(), ids=LOSES)
def test_template_that_loses_a_message_is_an_error_that_names_it(template: str, named: str) -> None:
    with pytest.raises(DataError, match=named):
        render_prompt(tiny_tokenizer(template), LONG)


def test_short_message_that_stands_in_another_by_chance_is_missed_all_the_same() -> None:
    template = EACH.replace("BODY", "{{ m['content'] if m['role'] != 'system' }}")
    talk = [Message(role="system", content="a"), Message(role="user", content="What a day!")]
    with pytest.raises(DataError, match="system"):
        render_prompt(tiny_tokenizer(template), talk)


def test_template_that_changes_is_looked_at_anew() -> None:
    tokenizer = tiny_tokenizer(KEEPS["as it is"])
    assert "Be kind." in render_prompt(tokenizer, TALK)
    tokenizer.chat_template = LOSES["the system message"][0]
    with pytest.raises(DataError, match="system"):
        render_prompt(tokenizer, TALK)


REFUSES = {
    "in words": "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    + CHAT_TEMPLATE,
    "by accident": "{{ messages[0]['content'] + 1 }}",
    "by a missing key": "{{ messages[0]['content']['text']['more'] }}",
}


@pytest.mark.parametrize("template", REFUSES.values(), ids=REFUSES)
def test_template_that_refuses_is_told_with_the_pair_and_its_line(template: str) -> None:
    pair = Pair("p1", tuple(TALK), "good", "bad", origin="pairs.jsonl:7")
    with pytest.raises(DataError, match=r"pair p1 \(pairs\.jsonl:7\): .*refuses this conversation"):
        encode_prompt(tiny_tokenizer(template), pair, "text")


def test_every_pair_that_a_template_refuses_is_counted_under_one_reason() -> None:
    tokenizer = tiny_tokenizer(REFUSES["in words"])
    good = [Pair(f"g{i}", "Hi", "good", "bad") for i in range(2)]
    bad = [Pair(f"b{i}", tuple(TALK), "good", "bad") for i in range(5)]
    with pytest.raises(PromptError) as caught:
        encode_pairs(tokenizer, [*good, *bad, *bad], "text")
    (problem,) = caught.value.problems
    assert problem.startswith("pair b0 and 4 more: ")


def test_what_is_wrong_with_a_pair_survives_between_processes() -> None:
    error = pickle.loads(pickle.dumps(PairError(Pair("p", "Q", "a", "b"), "why")))
    assert (str(error), error.reason) == ("pair p: why", "why")
