"""What a cell is measured on when it is asked whether its effect survives."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
import torch

from tiny import tiny_tokenizer
from trimtab.data import Behavior, dataset
from trimtab.engines import Model
from trimtab.errors import SettingError, TrimtabWarning
from trimtab.evaluation import Grid
from trimtab.evaluation.robustness import Variant, variant_batches, variants
from trimtab.models import Backbone
from trimtab.steering import SteeringSetting
from trimtab.vectors import extract

DEAF = "{% for m in messages if m['role'] != 'system' %}<|{{ m['role'] }}|>{{ m['content'] }}{% endfor %}<|assistant|>"

LISTED = dataset("corrigible", limit=16)
WORDS = Behavior("words", tuple(replace(p, listed=False, choices=(p.positive, p.negative)) for p in LISTED))


def labels(found: list[Variant]) -> list[str]:
    return [variant.label for variant in found]


def test_the_plain_prompts_come_first_and_every_kind_is_there() -> None:
    found = variants(LISTED, LISTED, "choice", transfer=[dataset("cheerful", limit=16)])
    assert found[0].kind == "plain"
    assert {v.kind for v in found} == {
        "plain", "system", "wording", "few-shot", "earlier turn", "resist", "order", "form", "transfer",
    }  # fmt: skip


def test_answer_words_have_no_orders_and_are_not_called_letters() -> None:
    found = labels(variants(WORDS, WORDS, "text"))
    assert not any("letter" in label or label.startswith("order") for label in found)


def test_open_pairs_have_no_orders_and_no_other_form() -> None:
    pairs = dataset("cheerful", limit=16)
    assert not any(label.startswith(("order", "form")) for label in labels(variants(pairs, pairs, "text")))


def test_two_sets_of_one_name_are_refused() -> None:
    other = dataset("cheerful", limit=16)
    with pytest.raises(SettingError, match="two sets of pairs would be 'transfer: cheerful'"):
        variants(LISTED, LISTED, "choice", transfer=[other, other])


@pytest.fixture(scope="module")
def model(llama: Backbone) -> Model:
    return Model(llama)


@pytest.mark.parametrize("balance", ["both_orders", "off"])
def test_each_order_is_asked_whole_however_the_study_balances(model: Model, balance: str) -> None:
    vectors = extract(model, LISTED)
    grid = Grid(((1,),), (-0.4, 0.4), SteeringSetting("relative"))
    orders = [v for v in variants(LISTED, LISTED, "choice") if v.kind == "order"]
    for number, variant in enumerate(orders):
        parts = variant_batches(model, vectors, grid, variant, "corrigible", balance=balance)  # type: ignore[arg-type]
        samples = pd.concat(list(parts))
        assert set(samples["order"]) == {number}
        assert set(samples["weight"]) == {1.0}
        assert samples["prompt_id"].nunique() == len(LISTED)


def test_a_template_that_drops_what_is_added_leaves_the_variant_out(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = dataset("cheerful", limit=16)
    system = next(v for v in variants(pairs, pairs, "text") if v.kind == "system")
    deaf = replace(system, behavior=pairs)  # as a template that prints no system messages would render it
    vectors = extract(model, pairs)
    grid = Grid(((1,),), (-0.4, 0.4), SteeringSetting("relative"))
    with pytest.warns(TrimtabWarning, match="drops what is added"):
        assert not list(variant_batches(model, vectors, grid, deaf, "cheerful", plain=pairs))
    heard = list(variant_batches(model, vectors, grid, system, "cheerful", plain=pairs))
    assert heard
    assert torch.isfinite(torch.tensor(heard[0]["score"].to_numpy())).all()


def test_a_template_without_system_messages_leaves_out_every_variant_that_needs_one_and_no_other(
    llama: Backbone, recwarn: pytest.WarningsRecorder
) -> None:
    pairs = dataset("cheerful", limit=16)
    deaf = Model(replace(llama, tokenizer=tiny_tokenizer(DEAF)))
    vectors = extract(deaf, pairs)
    grid = Grid(((1,),), (-0.4, 0.4), SteeringSetting("relative"))
    transfer = replace(variants(pairs, pairs, "text")[1].behavior, name="with-system")
    found = variants(pairs, pairs, "text", transfer=[transfer])
    measured = {v.label: bool(list(variant_batches(deaf, vectors, grid, v, "cheerful", plain=pairs))) for v in found}
    needing = {
        label for label in measured if label.startswith(("system", "resist")) or label == "transfer: with-system"
    }
    assert {label for label, done in measured.items() if not done} == needing
    told = [str(warning.message) for warning in recwarn if issubclass(warning.category, TrimtabWarning)]
    assert all(any(label in text and "left out" in text for text in told) for label in needing)
