"""Ways of asking: without a template, thinking, system prompts in the user's message, and answers that are begun."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import trimtab
from tiny import CHAT_TEMPLATE, tiny, tiny_tokenizer
from trimtab.cli.model_options import ask_option
from trimtab.data import Example, Message, Pair
from trimtab.engines import Model
from trimtab.errors import DataError, SettingError
from trimtab.models import Asking, encode_examples, encode_pair, encode_prompt, render_prompt, template_hash
from trimtab.study.settings.model_setting import ModelSetting

THINKING = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}{% endfor %}<|assistant|>"
    "{% if not enable_thinking %}<think></think>{% endif %}"
)
NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}{% endfor %}<|assistant|>"
)
SYSTEM = [Message(role="system", content="Be kind."), Message(role="user", content="Hi")]
BEGUN = (Message(role="user", content="Hi"), Message(role="assistant", content="Honestly, I feel"))


def test_text_without_a_template_is_as_it_is() -> None:
    tokenizer, asking = tiny_tokenizer(CHAT_TEMPLATE), Asking(template="none")
    assert render_prompt(tokenizer, "The sky is", asking) == "The sky is"
    pair = encode_pair(tokenizer, Pair("p", "The sky is", " blue", " low"), "text", asking)
    start = [t for t in tokenizer("")["input_ids"] if t == tokenizer.bos_token_id]
    assert list(pair.positive) == start + tokenizer("The sky is blue", add_special_tokens=False)["input_ids"]
    example = encode_examples(tokenizer, [Example("e", "The sky is", " blue")], asking)[0]
    assert example.tokens == pair.positive
    with pytest.raises(DataError, match="2 messages cannot be put without a template"):
        render_prompt(tokenizer, SYSTEM, asking)


def test_a_begun_answer_is_continued_without_a_space_of_our_own() -> None:
    for template, before in ((CHAT_TEMPLATE, ""), (None, " ")):
        tokenizer = tiny_tokenizer(template)
        opened = render_prompt(tokenizer, "Hi")
        assert render_prompt(tokenizer, BEGUN) == f"{opened}{before}Honestly, I feel"
        pair = encode_pair(tokenizer, Pair("p", BEGUN, " great", " bad"), "text")
        said = tokenizer(f"{opened}{before}Honestly, I feel great", add_special_tokens=False)["input_ids"]
        assert list(pair.positive[-len(said) :]) == said


def test_a_begun_answer_leaves_no_place_for_options() -> None:
    pair = Pair("p", BEGUN, "yes", "no", choices=("yes", "no"))
    with pytest.raises(DataError, match="no place for its options"):
        encode_prompt(tiny_tokenizer(CHAT_TEMPLATE), pair, "choice")
    assert encode_prompt(tiny_tokenizer(CHAT_TEMPLATE), pair, "text")


def test_thinking_goes_through_the_template() -> None:
    tokenizer = tiny_tokenizer(THINKING)
    assert render_prompt(tokenizer, "Hi").endswith("<|assistant|><think></think>")
    assert render_prompt(tokenizer, "Hi", Asking(thinking="on")).endswith("<|assistant|>")
    opened = tiny_tokenizer(CHAT_TEMPLATE + "<think>")
    assert render_prompt(opened, "Hi", Asking(thinking="on")).endswith("<think>")


@pytest.mark.parametrize("template", [CHAT_TEMPLATE, None])
def test_a_model_that_cannot_think_is_not_silently_asked_to(template: str | None) -> None:
    with pytest.raises(DataError, match="thinking: off"):
        render_prompt(tiny_tokenizer(template), "Hi", Asking(thinking="on"))


def test_a_system_prompt_may_stand_in_the_users_message() -> None:
    tokenizer = tiny_tokenizer(NO_SYSTEM)
    with pytest.raises(DataError, match="System role not supported"):
        render_prompt(tokenizer, SYSTEM)
    assert render_prompt(tokenizer, SYSTEM, Asking(system_role="user")) == "<|user|>Be kind.\n\nHi<|assistant|>"
    with pytest.raises(DataError, match="no user message"):
        render_prompt(tokenizer, [*SYSTEM, Message(role="system", content="Now!")], Asking(system_role="user"))


def test_an_empty_system_message_switches_off_what_a_template_brings_along() -> None:
    template = (
        "{% if messages[0]['role'] != 'system' %}<|system|>You are a helpful bot.{% endif %}"
        "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}{% endfor %}<|assistant|>"
    )
    talk = [Message(role="system", content=""), Message(role="user", content="Hi")]
    assert "helpful" not in render_prompt(tiny_tokenizer(template), talk)
    assert "helpful" in render_prompt(tiny_tokenizer(template), "Hi")


@pytest.mark.parametrize("asking", [{"template": "x"}, {"thinking": "maybe"}, {"system_role": "tool"}])
def test_a_way_of_asking_that_is_none_is_refused_with_the_choices(asking: dict[str, str]) -> None:
    with pytest.raises(SettingError, match="choose one of"):
        Asking(**asking)  # type: ignore[arg-type]


def test_how_a_model_is_asked_is_part_of_what_its_vectors_fit_and_of_a_runs_identity() -> None:
    ways = [Asking(), Asking(template="none"), Asking(thinking="on"), Asking(system_role="user")]
    tokenizer = tiny_tokenizer(CHAT_TEMPLATE)
    assert len({template_hash(tokenizer, way) for way in ways}) == 4
    assert template_hash(tokenizer, Asking()) == template_hash(tokenizer)
    assert template_hash(tiny_tokenizer(None), Asking(template="none"))
    model = Model(tiny("llama"), asking=Asking(template="none"))
    assert model.template_hash != Model(tiny("llama")).template_hash
    assert "template" in model._repr_html_()
    setting = ModelSetting(id="m", template="none", thinking="on", system_role="user")
    assert setting.asking == Asking("none", "on", "user")
    assert setting.load_options.items() >= {"template": "none", "thinking": "on", "system_role": "user"}.items()


def test_the_model_asks_as_it_was_told() -> None:
    model = Model(tiny("llama"), asking=Asking(template="none"))
    expected = model.backbone.tokenizer("Hello there", add_special_tokens=False)["input_ids"]
    assert list(model.tokens("Hello there"))[-len(expected) :] == expected
    assert model.prompt_tokens(Pair("p", "Hello there", "a", "b"), "text") == model.tokens("Hello there")


def test_the_command_line_takes_ways_of_asking() -> None:
    import click

    @click.command()
    @ask_option
    def shown(ask: dict[str, str]) -> None:
        click.echo(sorted(ask.items()))

    from click.testing import CliRunner

    found = CliRunner().invoke(shown, ["--ask", "template=none", "--ask", "system-role=user"])
    assert found.output.strip() == "[('system_role', 'user'), ('template', 'none')]"
    for wrong in (["--ask", "template=off"], ["--ask", "colour=red"], ["--ask", "thinking=on", "--ask", "thinking=on"]):
        assert CliRunner().invoke(shown, wrong).exit_code == 2


def test_nothing_renders_a_prompt_without_saying_how_the_model_is_asked() -> None:
    """Every call in the source passes the way of asking: a forgotten one would ask otherwise, without a word."""
    wanted = {"render_prompt": 3, "gap_after": 3, "encode_prompt": 4, "encode_pairs": 4, "encode_pair": 4,
              "encode_examples": 3, "template_hash": 2, "conversation": 3, "encode": 3}  # fmt: skip
    seen, short = set(), []
    for file in Path(trimtab.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in wanted:
                seen.add(node.func.id)
                if len(node.args) + len(node.keywords) < wanted[node.func.id]:
                    short.append(f"{file.name}:{node.lineno}")
    assert not short
    assert seen == set(wanted)


def test_text_without_a_template_begins_as_the_model_was_trained_to() -> None:
    """A chat template writes the first token itself; where none is used, the tokenizer's own has to be there."""
    chat, base = tiny_tokenizer(CHAT_TEMPLATE), tiny_tokenizer(None)
    for tokenizer in (chat, base):
        tokenizer.add_bos_token = True
    asking = Asking(template="none")
    for tokenizer in (chat, base):
        start = [t for t in tokenizer("")["input_ids"] if t == tokenizer.bos_token_id]
        raw = encode_examples(tokenizer, [Example("e", completion="The sky is")], asking)[0].tokens
        assert encode_prompt(tokenizer, Pair("p", "The sky is", "a", "b"), "text", asking) == raw
        assert list(raw[: len(start)]) == start


def test_a_begun_answer_and_thinking_exclude_each_other() -> None:
    with pytest.raises(DataError, match="cannot think before it"):
        render_prompt(tiny_tokenizer(THINKING), BEGUN, Asking(thinking="on"))
