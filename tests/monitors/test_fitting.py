"""Fitting: what the monitor learns, what it must not learn, and that memory limits change nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from monitors.vowels import choice_pairs, open_pairs
from trimtab.data import Behavior
from trimtab.engines import Model
from trimtab.errors import DataError, SettingError
from trimtab.monitors import Monitor, fit_monitor, fitting
from trimtab.stats.detection import auroc


def test_the_layer_is_the_one_whose_texts_and_tokens_are_told_apart_best(monitor: Monitor) -> None:
    made = monitor.provenance
    both = np.add(made.select_auroc, made.select_token_auroc)
    assert monitor.layer == int(both.argmax())
    assert made.select_auroc[monitor.layer] > 0.95


def test_the_aurocs_that_choose_are_those_of_the_tokens_of_the_selection_pairs(chatty: Model, monitor: Monitor) -> None:
    """Layer by layer, scored the way a user scores, one reply at a time."""
    _, select, _ = open_pairs(48).split(seed=0)
    for layer in (0, monitor.layer):
        means, tokens, labels, weights = [], [], [], []
        for pair in select:
            for positive, reply in ((True, pair.positive), (False, pair.negative)):
                assert isinstance(pair.prompt, str)
                asked = [{"role": "user", "content": pair.prompt}, {"role": "assistant", "content": reply}]
                found = monitor.at(layer).score(chatty, asked)  # type: ignore[arg-type]
                mine = found.logit[np.array(found.owner) == 1]
                means.append((positive, mine.mean()))
                tokens += mine.tolist()
                labels += [positive] * len(mine)
                weights += [1 / len(mine)] * len(mine)
        kinds, scores = zip(*means, strict=True)
        assert auroc(np.array(scores), np.array(kinds)) == pytest.approx(monitor.provenance.select_auroc[layer])
        by_token = auroc(np.array(tokens), np.array(labels), np.array(weights))
        assert by_token == pytest.approx(monitor.provenance.select_token_auroc[layer], abs=1e-3)


def test_the_order_of_the_pairs_does_not_matter(chatty: Model, monitor: Monitor) -> None:
    train, select, _ = open_pairs(48).split(seed=0)
    turned = fit_monitor(chatty, replace(train, pairs=train.pairs[::-1]), select)
    torch.testing.assert_close(turned.weight, monitor.weight, atol=2e-3, rtol=2e-2)
    assert turned.layer == monitor.layer


def test_layers_may_be_read_in_several_passes(chatty: Model, monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "MAX_STATE_BYTES", 1)
    train, select, _ = open_pairs(48).split(seed=0)
    parts = fit_monitor(chatty, train, select)
    torch.testing.assert_close(parts.weight, monitor.weight, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(parts.text_slope, monitor.text_slope, atol=1e-3, rtol=1e-3)
    assert parts.provenance == monitor.provenance


def test_of_long_texts_evenly_spread_tokens_are_taken(chatty: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    train, select, _ = open_pairs(48).split(seed=0)
    monkeypatch.setattr(fitting, "MAX_TOKENS", 3 * 2 * len(train))
    told = fitting.examples(chatty, train, None, None, "both_orders", 0)
    for text, kept in zip(told.texts, fitting._fitted_tokens(told), strict=True):
        n = len(text.tokens) - text.prompt_length
        assert kept.tolist() == [0, round((n - 1) / 2), n - 1]
    assert fit_monitor(chatty, train, select).provenance.select_auroc[-1] > 0.9


def test_swapping_all_answer_letters_leaves_the_monitor_unchanged(chatty: Model) -> None:
    train, select, _ = choice_pairs(48).split(seed=0)
    swapped = [Behavior(b.name, tuple(pair.swapped() for pair in b)) for b in (train, select)]
    plain, turned = fit_monitor(chatty, train, select), fit_monitor(chatty, *swapped)
    assert (plain.provenance.form, plain.provenance.token_position) == ("choice", "answer")
    torch.testing.assert_close(turned.weight, plain.weight, atol=1e-4, rtol=1e-2)


def test_choices_may_be_read_by_their_texts(chatty: Model) -> None:
    train, select, _ = choice_pairs(48).split(seed=0)
    made = fit_monitor(chatty, train, select, form="text").provenance
    assert (made.form, made.token_position) == ("text", "mean_completion")
    assert max(made.select_auroc) > 0.95


def test_what_it_was_fitted_on_is_written_down(chatty: Model, monitor: Monitor) -> None:
    train, select, test = open_pairs(48).split(seed=0)
    made = monitor.provenance
    assert (made.model, made.fingerprint, made.pairs_hash) == (chatty.name, chatty.fingerprint, train.hash)
    assert (made.pairs, made.select_pairs) == (len(train), len(select))
    hashes = [fitting.prompt_hash(str(pair.prompt)) for pair in (*train, *select, *test)]
    assert set(made.seen) == set(hashes[: -len(test)])
    assert "scikit-learn" in made.versions


def test_progress_is_told_to_its_end(chatty: Model) -> None:
    train, select, _ = open_pairs(48).split(seed=0)
    told: list[tuple[str, int, int]] = []
    fit_monitor(chatty, train, select, progress=lambda *event: told.append(event))
    assert {("reading", 2 * len(train), 2 * len(train)), ("fitting layers", 4, 4)} <= set(told)


def test_too_few_prompts_are_refused(chatty: Model) -> None:
    train, select, _ = open_pairs(48).split(seed=0)
    with pytest.raises(DataError, match="7 different prompts are too few"):
        fit_monitor(chatty, train[:7], select)
    same = replace(train, pairs=tuple(replace(pair, prompt="say") for pair in train))
    with pytest.raises(DataError, match="1 different prompts are too few"):
        fit_monitor(chatty, same, select)


def test_open_pairs_cannot_be_asked_as_choices(chatty: Model) -> None:
    train, select, _ = open_pairs(48).split(seed=0)
    with pytest.raises(SettingError, match="open pairs"):
        fit_monitor(chatty, train, select, form="choice")
