"""Training: the loss it minimises, what decides when it stops, and what happens where it cannot go on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from planted import choice_pairs
from slow_training import pair_log_probs, pushed_by, unpushed
from tiny import tiny
from trimtab._util.callbacks import note_of
from trimtab.data import Behavior, Pair, PromptContrast, SetContrast, present
from trimtab.data.hash_order import prompt_key
from trimtab.engines import Model
from trimtab.engines.vllm.engine import VLLMEngine
from trimtab.errors import SettingError, TrimtabWarning, VectorError
from trimtab.vectors import AGGREGATIONS, SteeringVector, extract
from trimtab.vectors.training import CompletionScores, TrainedAggregation
from trimtab.vectors.training._held_back import divide
from trimtab.vectors.training.ssv import SupervisedVector

CHOICES = Behavior("choices", tuple(choice_pairs(12)))
OPEN = Behavior(
    "open",
    tuple(Pair(f"p{i}", f"w{3 * i} w{i}", f"w7 w9 w{i % 5} w7", f"w11 w{i % 4} w13") for i in range(16)),
)
SHORT = {"steps": 8, "batch_size": 4}


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(tiny("llama"))


def trained(model: Model, behavior: Behavior = OPEN, method: str = "ssv", **options: Any) -> SteeringVector:
    return extract(model, behavior, method=method, **{"progress": False, "training": SHORT, **options})


def test_the_loss_without_a_push_is_that_of_one_text_at_a_time(model: Model) -> None:
    with pytest.warns(TrimtabWarning, match="none of the 16 pairs is held back"):
        made = trained(model, training={**SHORT, "held_back": 0.0}).provenance.training
    assert made is not None
    pairs = model.encode(OPEN.pairs, "text")
    expected = -torch.stack([pair_log_probs(model.backbone, p, 0, unpushed)[0].mean() for p in pairs]).mean().detach()  # type: ignore[arg-type]
    assert made.unsteered_loss == pytest.approx(float(expected), abs=1e-4)


def test_the_loss_at_the_best_step_is_that_of_its_vector_on_the_pairs_held_back(model: Model) -> None:
    vector = trained(model)
    made = vector.provenance.training
    assert made is not None
    held = divide(present(OPEN, "text"), 0.2, 4, 0).held_back
    pairs = [model.encode(OPEN.pairs, "text")[row] for row in held]
    assert made.held_back == len(held) == 3
    for row, layer in enumerate(made.layers):
        push = pushed_by(vector.direction[layer])
        texts = [pair_log_probs(model.backbone, pair, layer, push)[0].mean() for pair in pairs]  # type: ignore[arg-type]
        assert min(made.checked_loss[row]) == pytest.approx(float(-torch.stack(texts).mean().detach()), abs=1e-3)


def test_pairs_that_were_not_seen_become_likelier_than_without_a_push(model: Model) -> None:
    made = trained(model, training={"steps": 24, "batch_size": 4}).provenance.training
    assert made is not None
    assert all(min(curve) < made.unsteered_loss for curve in made.checked_loss)


@pytest.mark.parametrize("behavior", [OPEN, CHOICES], ids=["texts", "choices"])
def test_one_layer_trained_alone_is_the_same_layer_of_the_staircase(model: Model, behavior: Behavior) -> None:
    whole = trained(model, behavior)
    for layer in (0, 2):
        alone = trained(model, behavior, layers=[layer])
        assert alone.layers == (layer,)
        assert torch.allclose(alone.direction[layer], whole.direction[layer], atol=1e-5)


def test_little_memory_changes_nothing() -> None:
    whole, small = Model(tiny("llama")), Model(tiny("llama"), memory_bytes=1 << 20)
    assert torch.allclose(trained(small).direction, trained(whole).direction, atol=1e-5)


def test_the_seed_decides_and_nothing_else(model: Model) -> None:
    one = trained(model, seed=3)
    shuffled = Behavior(OPEN.name, tuple(reversed(OPEN.pairs)))
    assert torch.equal(one.direction, trained(model, seed=3).direction)
    assert torch.allclose(one.direction, trained(model, shuffled, seed=3).direction, atol=1e-5)
    assert not torch.allclose(one.direction, trained(model, seed=4).direction, atol=1e-3)


def test_progress_counts_steps_with_the_loss_beside_them(model: Model) -> None:
    told: list[tuple[int, int, str]] = []
    made = trained(model, progress=lambda done, total: told.append((int(done), total, note_of(done))))
    record = made.provenance.training
    assert record is not None
    taken = max(map(len, record.loss))
    assert [done for done, _, _ in told] == [*range(taken), told[-1][1]]
    assert told[0][2] == ""
    first = sum(losses[0] for losses in record.loss) / len(record.loss)
    assert told[1][2] == f"loss {first:.3g}"
    last = sum(losses[-1] for losses in record.checked_loss) / len(record.checked_loss)
    assert told[-1][2] == f"loss held back {last:.3g}"


def test_no_vector_is_longer_than_its_bound(model: Model) -> None:
    vector = trained(model, training={**SHORT, "norm_bound": 0.05, "learning_rate": 1.0})
    assert (vector.norm / vector.require_residual_norm()).tolist() == pytest.approx([0.05] * 4, rel=1e-4)


def test_both_orders_of_a_choice_pair_are_in_the_same_batch() -> None:
    rows = divide(present(CHOICES, "choice"), 0.2, 3, 0)
    assert all(sorted(batch)[::2] == [row - 1 for row in sorted(batch)[1::2]] for batch in rows.batches)
    assert sorted(row for batch in (*rows.batches, rows.held_back) for row in batch) == list(range(24))


def test_no_prompt_is_both_fitted_and_held_back() -> None:
    pairs = tuple(
        replace(pair, id=f"{pair.id}-{copy}", positive=f"{pair.positive} w{copy}") for pair in OPEN for copy in (1, 2)
    )
    behavior = Behavior("twice", pairs)
    rows = divide(present(behavior, "text"), 0.25, 4, 0)
    held, fit = ({prompt_key(pairs[row]) for row in some} for some in (rows.held_back, sum(rows.batches, ())))
    assert held
    assert not held & fit


def test_the_file_holds_how_the_vector_was_trained(model: Model, tmp_path: Path) -> None:
    vector = trained(model, layers=[1, 3])
    made = SteeringVector.load(vector.save(tmp_path / "v.safetensors")).provenance
    assert made == vector.provenance
    assert made.training is not None
    assert (made.method, made.seed, made.training.layers) == ("ssv", 0, (1, 3))
    assert made.training.settings["steps"] == 8
    assert [len(curve) for curve in made.training.loss] == [8, 8]
    assert made.training.seconds > 0


def test_too_few_pairs_to_hold_some_back_are_all_fitted_and_it_is_said(model: Model) -> None:
    with pytest.warns(TrimtabWarning, match=r"none of the 3 pairs is held back .* \(fewer than 8\)"):
        made = trained(model, Behavior("few", OPEN.pairs[:3])).provenance.training
    assert made is not None
    assert (made.fit_pairs, made.held_back, made.best_step) == (3, 0, (8, 8, 8, 8))


class Breaking(SupervisedVector):
    """A loss that is NaN at the second of the layers in one call; the first call is that without a push."""

    name = "breaking"

    def __init__(self, after: int, rows: slice = slice(1, 2)):
        self.calls, self.after, self.rows = 0, after, rows

    def losses(self, scores: CompletionScores, settings: Any) -> Tensor:
        found, self.calls = super().losses(scores, settings), self.calls + 1
        broken = torch.zeros(len(found), 1)
        broken[self.rows] = float("nan") if self.calls == self.after + 1 else 0.0
        return found + broken


@pytest.mark.parametrize(("after", "step", "taken"), [(6, 4, 4), (5, 3, 4), (3, 1, 2)])
def test_a_layer_whose_loss_turns_nan_ends_with_what_it_had_and_the_others_go_on(
    model: Model, after: int, step: int, taken: int
) -> None:
    """In a step after a look, in the look itself, and in a step before any look."""
    method = Breaking(after)
    with (
        AGGREGATIONS.temporarily("breaking", method),
        pytest.warns(TrimtabWarning, match=r"not a finite number.*at layer 1;.*smaller learning_rate"),
    ):
        vector = trained(model, method="breaking")
    made, whole = vector.provenance.training, trained(model)
    assert made is not None
    assert list(made.stopped) == ["1"]
    assert (made.best_step[1], len(made.loss[1])) == (step, taken)
    assert vector.layers == (0, 1, 2, 3)
    others = [0, 2, 3]
    assert torch.allclose(vector.direction[others], whole.direction[others], atol=1e-5)


def test_a_loss_that_is_nan_from_the_start_is_an_error(model: Model) -> None:
    with (
        AGGREGATIONS.temporarily("breaking", Breaking(1, slice(None))),
        pytest.warns(TrimtabWarning, match="have no vector"),
        pytest.raises(VectorError, match="no layer could be trained: the loss of step 1 is not a finite number"),
    ):
        trained(model, method="breaking")


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"norm_bound": 0}, "norm_bound is 0"),
        ({"learning_rate": -1.0}, "learning_rate is -1"),
        ({"stepps": 3}, "no setting 'stepps'.*did you mean 'steps'"),
        ({"steps": 2.5}, "steps is 2.5, not a whole number"),
        ({"steps": True}, "steps is True"),
        ({"schedule": "cosin"}, "did you mean 'cosine'"),
        ({"positions": "everywhere"}, "positions 'everywhere'"),
        ({"held_back": 0.9}, "held_back is 0.9"),
    ],
)
def test_settings_that_cannot_train_are_refused(model: Model, training: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        trained(model, training=training)


@pytest.mark.parametrize("options", [{"layers": [1]}, {"training": {"steps": 3}}], ids=["layers", "training"])
def test_a_method_that_is_not_trained_refuses_what_would_do_nothing(model: Model, options: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="method mean"):
        extract(model, OPEN, **options)


def test_layers_that_the_model_does_not_have_are_refused(model: Model) -> None:
    with pytest.raises(SettingError, match="layer 4 is out of range"):
        trained(model, layers=[4])


@pytest.mark.parametrize(
    "contrast",
    [SetContrast.from_texts(["a b", "b c"], ["c d", "d e"]), PromptContrast.from_prompts([("a b", "c d"), ("e", "f")])],
    ids=["sets", "prompts"],
)
def test_contrasts_without_completions_are_refused_with_the_reason(model: Model, contrast: Any) -> None:
    with pytest.raises(SettingError, match="method ssv: it is trained to make given completions likely"):
        trained(model, contrast)


def test_vllm_refuses_to_train_in_words() -> None:
    with pytest.raises(SettingError, match=r"vLLM computes no gradients.*engine transformers"):
        VLLMEngine.gradient_passes(None, [], "all", False, None)  # type: ignore[arg-type]


def test_differences_alone_cannot_make_a_trained_vector() -> None:
    method = AGGREGATIONS.get("ssv")
    assert isinstance(method, TrainedAggregation)
    with pytest.raises(SettingError, match="cannot be computed from differences"):
        method.directions(None, 0)  # type: ignore[arg-type]
