"""Scoring: every token belongs to the message it stands in, and a reply is read as the pairs were."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tiny import tiny_model, tiny_tokenizer
from trimtab.data import Message
from trimtab.engines import Model
from trimtab.errors import DataError, ModelError
from trimtab.models import Text, encode, render_prompt, wrap
from trimtab.monitors import Monitor, TokenScores
from trimtab.monitors.conversations import TEMPLATE, conversation

WORDY = "assistant helps. {% for m in messages %}[{{ m['role'] }}] {{ m['content'] | trim }}\n{% endfor %}[assistant]\n"


def chat(*contents: str) -> list[Message]:
    return [Message(role=("user", "assistant")[i % 2], content=content) for i, content in enumerate(contents)]


def text_of(found: TokenScores, number: int) -> str:
    return "".join(piece for piece, owner in zip(found.pieces, found.owner, strict=True) if owner == number)


def test_each_token_belongs_to_the_message_it_stands_in(chatty: Model, monitor: Monitor) -> None:
    found = monitor.score(chatty, chat("what is it", "aeio it is", "klm", "oh"))
    assert [text_of(found, n) for n in range(4)] == ["what is it", "aeio it is", "klm", "oh"]
    assert [(m.number, m.role, m.tokens) for m in found.messages] == [
        (0, "user", 10), (1, "assistant", 10), (2, "user", 3), (3, "assistant", 2),
    ]  # fmt: skip
    assert found.pieces[: found.owner.index(0)] == tuple("<|user|>")


def test_the_pieces_are_the_conversation_as_rendered(chatty: Model, monitor: Monitor) -> None:
    messages = chat("grüße 你好", "ça va 🙂")
    found = monitor.score(chatty, messages)
    rendered = render_prompt(chatty.backbone.tokenizer, messages[:1]) + messages[1]["content"]
    assert "".join(found.pieces) == rendered
    assert text_of(found, 1) == "ça va 🙂"


def test_a_message_is_not_mistaken_for_the_templates_own_words() -> None:
    tokenizer = tiny_tokenizer(WORDY)
    read = conversation(tokenizer, chat("assistant", " helps ", "user"))
    pieces = ["".join(p for p, o in zip(read.pieces, read.owner, strict=True) if o == n) for n in range(3)]
    assert pieces == ["assistant", "helps", "user"]
    assert "".join(read.pieces).index("assistant helps") == 0
    assert set(read.owner[: len("assistant helps. [user] ")]) == {TEMPLATE}


def test_the_logits_are_those_of_the_probe_at_each_tokens_state(chatty: Model, monitor: Monitor) -> None:
    found = monitor.score(chatty, chat("what", "aeio"))
    tokens = conversation(chatty.backbone.tokenizer, chat("what", "aeio")).text.tokens
    _, states = next(chatty.engine.states([Text(tokens, 1)], [monitor.layer]))
    expected = states[:, 0] @ monitor.weight[monitor.layer] + monitor.bias[monitor.layer]
    np.testing.assert_allclose(found.logit[1:], expected.numpy(), atol=1e-4)
    assert np.isnan(found.logit[0])
    np.testing.assert_allclose(found.probability[1:], torch.sigmoid(expected).numpy(), atol=1e-5)


def test_a_message_is_the_calibrated_mean_of_its_tokens(chatty: Model, monitor: Monitor) -> None:
    found = monitor.score(chatty, chat("what", "aeio"))
    reply = found.messages[1]
    mean = found.logit[np.array(found.owner) == 1].mean()
    text_logit = float(monitor.text_slope[monitor.layer]) * mean + float(monitor.text_offset[monitor.layer])
    assert reply.logit == pytest.approx(mean)
    assert reply.probability == pytest.approx(1 / (1 + np.exp(-text_logit)), abs=1e-6)


def test_positive_words_score_above_negative_ones(chatty: Model, monitor: Monitor) -> None:
    high, low = (monitor.score(chatty, chat("say 0 7", words)).messages[1] for words in ("aeio oiea", "klmp mlkp"))
    assert high.probability > 0.8 > 0.2 > low.probability


def test_a_text_is_read_as_the_reply_to_an_empty_message(chatty: Model, monitor: Monitor) -> None:
    alone = monitor.score(chatty, "aeio")
    asked = monitor.score(chatty, [Message(role="user", content=""), Message(role="assistant", content="aeio")])
    assert [m.role for m in alone.messages] == ["assistant"]
    np.testing.assert_array_equal(alone.logit, asked.logit)


def test_a_base_model_reads_a_plain_dialogue(monitor: Monitor) -> None:
    base = Model(wrap(tiny_model("llama"), tiny_tokenizer(), name="tiny-base"))
    with pytest.warns(match="other weights") if base.fingerprint != monitor.provenance.fingerprint else _nothing():
        found = monitor.score(base, chat("what", "aeio"))
    assert "".join(found.pieces) == "Human: what\n\nAssistant: aeio"
    assert [text_of(found, n) for n in range(2)] == ["what", "aeio"]
    tokens = encode(base.backbone.tokenizer, "Human: what\n\nAssistant: aeio")
    assert len(tokens) == len(found.logit)


@pytest.mark.parametrize("empty", ["", " \n", [Message(role="user", content=" ")]])
def test_an_empty_text_is_refused(chatty: Model, monitor: Monitor, empty: str | list[Message]) -> None:
    with pytest.raises(DataError, match="nothing to score"):
        monitor.score(chatty, empty)


def test_a_conversation_that_begins_with_a_reply_is_refused(chatty: Model, monitor: Monitor) -> None:
    with pytest.raises(DataError, match="begins with a reply"):
        monitor.score(chatty, [Message(role="assistant", content="hello")])


def test_a_template_that_rewrites_a_message_is_refused() -> None:
    tokenizer = tiny_tokenizer("{% for m in messages %}{{ m['content'] | upper }}{% endfor %}")
    with pytest.raises(DataError, match="leaves out or rewrites message 1"):
        conversation(tokenizer, chat("what"))
    with pytest.raises(DataError, match="message 2"):
        conversation(tiny_tokenizer("{{ messages[0]['content'] }}"), chat("what", "is", "it"))


def test_a_tokenizer_that_does_not_tell_characters_is_refused() -> None:
    class Slow:
        is_fast = False

    with pytest.raises(ModelError, match="which characters"):
        conversation(Slow(), "text")


def _nothing() -> object:
    from contextlib import nullcontext

    return nullcontext()
