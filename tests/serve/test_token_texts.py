"""Texts of tokens where a decoder drops the space before a token that stands alone."""

from __future__ import annotations

from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from tiny import tiny_tokenizer
from trimtab.serve.replies._token_texts import TokenTexts, text_behind

VOCABULARY = {"<unk>": 0, "▁Paris": 1, "▁is": 2, "s": 3, "▁": 4, "<0xC3>": 5, "<0xA9>": 6}


@pytest.fixture(scope="module")
def sentencepiece() -> Any:
    core = Tokenizer(models.BPE(VOCABULARY, [], unk_token="<unk>", byte_fallback=True))
    core.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>")


def followed(tokenizer: Any, before: list[int], tokens: list[int]) -> list[tuple[str, int]]:
    texts = TokenTexts(tokenizer, before)
    return [texts.add(token) for token in tokens]


def test_the_space_before_a_token_is_part_of_it(sentencepiece: Any) -> None:
    assert sentencepiece.decode([2]) == "is", "the decoder drops it"
    assert followed(sentencepiece, [1], [2, 3, 4, 1, 1, 1]) == [
        (" is", 0), ("s", 3), (" ", 4), (" Paris", 5), (" Paris", 11), (" Paris", 17)
    ]  # fmt: skip
    assert text_behind(sentencepiece.decode, [1], [2, 1]) == " is Paris"


def test_parts_of_a_character_have_no_text_and_take_one_place_together(sentencepiece: Any) -> None:
    assert followed(sentencepiece, [1], [5, 6, 2]) == [("\ufffd", 0), ("\ufffd", 0), (" is", 1)]
    assert followed(sentencepiece, [1], [5, 2]) == [("\ufffd", 0), (" is", 1)], "a byte that is no character"
    tokenizer = tiny_tokenizer()
    tokens = tokenizer("é b")["input_ids"]
    assert followed(tokenizer, [], tokens) == [("\ufffd", 0), ("\ufffd", 0), (" ", 1), ("b", 2)]
    assert text_behind(tokenizer.decode, tokenizer("a")["input_ids"], tokens[:1]) == ""
    assert text_behind(tokenizer.decode, tokens[:1], tokens[1:]) == "\ufffd b"
