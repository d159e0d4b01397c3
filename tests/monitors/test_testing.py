"""Testing: on what was not seen only, and with plain words where the monitor fails."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitors.vowels import choice_pairs, open_pairs
from trimtab import monitors
from trimtab.data import Behavior
from trimtab.engines import Model
from trimtab.errors import DataError, VectorError
from trimtab.models import Backbone
from trimtab.monitors import Monitor, fit_monitor


def test_held_out_pairs_are_told_apart(chatty: Model, monitor: Monitor) -> None:
    *_, held_out = open_pairs(48).split(seed=0)
    found = monitors.test_monitor(monitor, chatty, held_out)
    assert (found.pairs, found.left_out) == (len(held_out), 0)
    assert found.texts.auroc > 0.9
    assert found.texts.remarks() == []
    assert found.texts.items == 2 * len(held_out)
    assert found.tokens.auroc > 0.75
    assert found.reliability["n"].sum() == 2 * len(held_out)


def test_pairs_it_was_fitted_on_are_left_out(chatty: Model, monitor: Monitor) -> None:
    *_, held_out = open_pairs(48).split(seed=0)
    every = monitors.test_monitor(monitor, chatty, open_pairs(48))
    alone = monitors.test_monitor(monitor, chatty, held_out)
    assert every.left_out == 48 - len(held_out)
    assert every.texts.auroc == pytest.approx(alone.texts.auroc)


def test_a_changed_reply_to_a_prompt_it_was_fitted_on_is_left_out(chatty: Model, monitor: Monitor) -> None:
    train, *_ = open_pairs(48).split(seed=0)
    turned = Behavior("turned", tuple(replace(p, positive=p.negative, negative=p.positive) for p in train))
    with pytest.raises(DataError, match="0 of 24 pairs have prompts that the monitor has not seen"):
        monitors.test_monitor(monitor, chatty, turned)


def test_noise_is_at_chance_and_called_so(chatty: Model, monitor: Monitor) -> None:
    found = monitors.test_monitor(monitor, chatty, open_pairs(20, "aeio", "aeio", seed=1))
    assert "not shown to be better than chance" in found.texts.remarks()[0]
    assert any("calibration breaks" in remark and "over-confident" in remark for remark in found.texts.remarks())


def test_a_reversed_behavior_is_called_so(chatty: Model, monitor: Monitor) -> None:
    found = monitors.test_monitor(monitor, chatty, open_pairs(20, "klmp", "aeio", seed=2))
    assert "wrong way round" in found.texts.remarks()[0]


def test_a_monitor_fitted_on_noise_claims_nothing(chatty: Model) -> None:
    train, select, held_out = open_pairs(48, "aeio", "aeio", seed=3).split(seed=0)
    found = monitors.test_monitor(fit_monitor(chatty, train, select), chatty, held_out)
    assert not found.texts.tells_apart


def test_calibration_makes_texts_as_sure_as_they_are_right(chatty: Model) -> None:
    """Letters of either side on both: some texts cannot be told."""
    train, select, held_out = open_pairs(160, "aeiklmo", "klmopae", seed=4).split((0.4, 0.3, 0.3), seed=0)
    hard = fit_monitor(chatty, train, select)
    found = monitors.test_monitor(hard, chatty, held_out)
    assert 0.5 < found.texts.auroc < 0.95
    assert found.texts.is_calibrated


def test_before_calibration_texts_are_less_sure_than_they_could_be(chatty: Model, monitor: Monitor) -> None:
    found = monitors.test_monitor(monitor, chatty, open_pairs(60, seed=4))
    assert found.uncalibrated.confidence < found.texts.confidence < found.texts.accuracy
    assert "under-confident" in found.uncalibrated.remarks()[0]
    assert found.uncalibrated.calibration_error > 2 * found.texts.calibration_error


def test_choices_are_read_as_the_monitor_was_fitted(chatty: Model, monitor: Monitor) -> None:
    shifted = choice_pairs(60)[48:]
    found = monitors.test_monitor(monitor, chatty, shifted)
    assert (found.form, found.token_position) == ("text", "mean_completion")
    asked = monitors.test_monitor(monitor, chatty, shifted, form="choice")
    assert (asked.form, asked.token_position, asked.texts.items) == ("choice", "answer", 4 * len(shifted))


def test_another_model_is_refused(monitor: Monitor, llama: Backbone) -> None:
    smaller = replace(
        monitor, weight=monitor.weight[:3], bias=monitor.bias[:3], text_slope=monitor.text_slope[:3],
        text_offset=monitor.text_offset[:3], provenance=replace(
            monitor.provenance, layer=1, select_auroc=monitor.provenance.select_auroc[:3],
            select_token_auroc=monitor.provenance.select_token_auroc[:3],
        ),
    )  # fmt: skip
    with pytest.raises(VectorError, match=r"the monitor is for tiny-chat .*needs \[4, 48\]"):
        monitors.test_monitor(smaller, Model(llama), open_pairs(8, seed=5))
