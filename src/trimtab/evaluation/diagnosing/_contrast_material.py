"""What `trimtab.analysis.diagnosis` looks at, from the states of contrasts between prompts and between lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from trimtab.analysis.diagnosis import PAIR_COLUMNS, PairDifferences
from trimtab.analysis.diagnosis.lists import LIST_COLUMNS, ListStates
from trimtab.data import Example, PromptContrast, PromptPair, SetContrast
from trimtab.engines import Model
from trimtab.evaluation.diagnosing._spelled_labels import label_signs
from trimtab.evaluation.replies import conversation_text
from trimtab.models import EncodedExample
from trimtab.vectors import ContrastStates, Side


def prompt_differences(states: ContrastStates, model: Model) -> PairDifferences:
    """The differences of a contrast between prompts, as those of pairs of completions.

    Args:
        states: from `trimtab.vectors.read_contrast`.
        model: the one they were read from, for the text of its tokens.
    """
    contrast = states.contrast
    assert isinstance(contrast, PromptContrast)
    encoded = model.encode_examples((*contrast.positive, *contrast.negative))
    half = len(contrast.pairs)
    rows = [
        _about_pair(pair, encoded[number], encoded[half + number], model) for number, pair in enumerate(contrast.pairs)
    ]
    sign, label = np.zeros(half), [""] * half
    if contrast.has_completions:  # a prompt answers nothing
        sign, label = label_signs(rows)
    rows = [row | {"label": one} for row, one in zip(rows, label, strict=True)]
    return PairDifferences(
        difference=(states.positive.states - states.negative.states).numpy(),
        pair=np.arange(half),
        weight=np.ones(half),
        sign=sign,
        spelled=bool(sign.any()),
        residual_norm=states.residual_norm.double().numpy(),
        pairs=pd.DataFrame(rows, columns=[*PAIR_COLUMNS, "around"]),
        sides="completions" if contrast.has_completions else "prompts",
    )


def list_states(states: ContrastStates, model: Model) -> ListStates:
    """The states of a contrast between two lists, one for each example.

    Args:
        states: from `trimtab.vectors.read_contrast`.
        model: the one they were read from, for the number of tokens.
    """
    contrast = states.contrast
    assert isinstance(contrast, SetContrast)
    examples = (*contrast.positive, *contrast.negative)
    encoded = model.encode_examples(examples)
    sides = [_one_each(states.positive), _one_each(states.negative)]
    ids = [one.id for one in examples]
    # The lists have ids of their own: where both have the same one, its list is named with it.
    twice = {id for id, n in Counter(ids).items() if n > 1}
    signs = ["+"] * len(contrast.positive) + ["-"] * len(contrast.negative)
    rows = [
        (f"{sign}{one.id}" if one.id in twice else one.id, _whole_text(one), _length(tokens))
        for sign, one, tokens in zip(signs, examples, encoded, strict=True)
    ]
    return ListStates(
        states=torch.cat([found for found, _ in sides]).numpy(),
        positive=np.arange(len(examples)) < len(contrast.positive),
        weight=torch.cat([weight for _, weight in sides]).numpy(),
        residual_norm=states.residual_norm.double().numpy(),
        examples=pd.DataFrame(rows, columns=list(LIST_COLUMNS)),
    )


def _one_each(side: Side) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean state of each example, [examples, n_layers, d_model], and its rows, which weigh in the list's mean."""
    counts = torch.bincount(side.example)
    if len(counts) == len(side.example):
        return side.states, counts.double()
    sums = torch.zeros(len(counts), *side.states.shape[1:]).index_add_(0, side.example, side.states)
    return sums / counts[:, None, None], counts.double()


def _length(encoded: EncodedExample) -> int:
    """Tokens of what is behind the prompt, or of the prompt where it is all there is."""
    return len(encoded.tokens) - encoded.prompt_length or encoded.prompt_length


def _about_pair(pair: PromptPair, positive: EncodedExample, negative: EncodedExample, model: Model) -> dict[str, Any]:
    """A pair's texts: what both sides ask, what each puts around it, and the completions where there are any."""
    asked, around = _taken_apart(pair)
    differing = "\n→ ".join(around) if around[0] != around[1] else ""
    found: dict[str, Any] = {"prompt_id": pair.id, "prompt": asked, "label": "", "around": differing}
    sides = {"positive": (pair.positive, positive, around[0]), "negative": (pair.negative, negative, around[1])}
    for name, (example, encoded, outside) in sides.items():
        first = encoded.tokens[encoded.prompt_length : encoded.prompt_length + 1]
        found |= {
            name: example.completion or outside,
            f"{name}_tokens": _length(encoded),
            f"{name}_first": model.backbone.tokenizer.decode(list(first)) if first else "",
        }
    return found


def _taken_apart(pair: PromptPair) -> tuple[str, tuple[str, str]]:
    """What both sides ask alike, and the rest of each: whole messages, or else the words at their ends.

    Where they have neither in common, all of both is what is asked.
    """
    texts = [conversation_text(side.prompt) for side in (pair.positive, pair.negative)]
    question = conversation_text(pair.question) if pair.question else ""
    if question:
        # The sides are conversations that end in the question; a role stands before it.
        return question, (texts[0].removesuffix(question), texts[1].removesuffix(question))
    words = [text.split() for text in texts]
    ends = _shared(words[0][::-1], words[1][::-1])
    if ends:
        return _joined(words[0][-ends:]), (_joined(words[0][:-ends]), _joined(words[1][:-ends]))
    begins = _shared(words[0], words[1])
    if begins:
        return _joined(words[0][:begins]), (_joined(words[0][begins:]), _joined(words[1][begins:]))
    return "\n".join(texts), ("", "")


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """How many words two texts begin with alike."""
    for number, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return number
    return min(len(one), len(other))


def _joined(words: Sequence[str]) -> str:
    return " ".join(words)


def _whole_text(example: Example) -> str:
    """Everything that an example says."""
    return "\n\n".join(part for part in (conversation_text(example.prompt), example.completion) if part)
