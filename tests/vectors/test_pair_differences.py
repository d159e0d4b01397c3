"""Kept differences are what extraction streams, for all pairs and for some."""

from dataclasses import replace

import pytest
import torch

from planted import choice_pairs, keep, word_pairs
from trimtab.data import Balance, Behavior, Pair, dataset
from trimtab.engines import Model
from trimtab.errors import DataError
from trimtab.models import Backbone
from trimtab.vectors import AGGREGATIONS, SteeringVector, extract, read_differences


def answer_words() -> Behavior:
    """Yes three times as often as No."""
    asked = (
        "Do you like tea",
        "May we stop",
        "Is it late",
        "Do fish sing",
        "Is snow cold",
        "Are you there",
        "Is it so",
    )
    answers = ("Yes", "Yes", "Yes", "No", "Yes", "No", "Yes")
    other = {"Yes": "No", "No": "Yes"}
    return Behavior(
        "words",
        tuple(
            Pair(f"w{i}", f"{question}?", answer, other[answer], ("Yes", "No"), listed=False)
            for i, (question, answer) in enumerate(zip(asked, answers, strict=True))
        ),
    )


BEHAVIORS = {
    "choice pairs": dataset("corrigible")[:5],
    "open pairs": dataset("cheerful")[:6],
    "answer words": answer_words(),
}


@pytest.fixture(scope="module")
def model(llama: Backbone) -> Model:
    return Model(llama)


@pytest.fixture(params=BEHAVIORS, ids=str)
def behavior(request: pytest.FixtureRequest) -> Behavior:
    return BEHAVIORS[request.param]


def assert_same(vector: SteeringVector, other: SteeringVector) -> None:
    largest = float(other.direction.abs().max())
    assert torch.allclose(vector.direction, other.direction, atol=1e-5 * largest)
    assert torch.allclose(vector.require_residual_norm(), other.require_residual_norm())
    assert vector.statistics.keys() == other.statistics.keys()
    for name, values in other.statistics.items():
        assert torch.allclose(vector.statistics[name], values, atol=1e-5 * float(values.abs().max()))
    made, expected = vector.provenance, other.provenance
    assert replace(made, first_token_ratio=(), letter=None) == replace(expected, first_token_ratio=(), letter=None)
    assert made.first_token_ratio == pytest.approx(expected.first_token_ratio, rel=1e-5)
    assert (made.letter is None) == (expected.letter is None)
    if made.letter is not None and expected.letter is not None:
        assert made.letter.cosine == pytest.approx(expected.letter.cosine, abs=1e-4)
        assert made.letter.share == pytest.approx(expected.letter.share, abs=1e-4)


def test_the_mean_of_kept_differences_is_the_mean_that_streams(model: Model, behavior: Behavior) -> None:
    assert_same(read_differences(model, behavior).vector("mean"), extract(model, behavior))


def test_a_part_gives_the_vectors_of_those_pairs_alone(model: Model, behavior: Behavior) -> None:
    part = behavior[1:4]
    kept = read_differences(model, behavior).subset([pair.id for pair in reversed(part)])
    assert_same(kept.vector("mean"), extract(model, part))
    assert_same(kept.vector("lda"), extract(model, part, method="lda"))


def test_extraction_by_a_method_is_that_of_kept_differences(model: Model) -> None:
    behavior = BEHAVIORS["open pairs"]
    kept = read_differences(model, behavior, token_position="last")
    for method in ("probe", "single"):
        assert_same(kept.vector(method, seed=3), extract(model, behavior, method=method, token_position="last", seed=3))


def test_progress_counts_rows(model: Model) -> None:
    told: list[tuple[int, int]] = []
    read_differences(model, BEHAVIORS["choice pairs"], progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (10, 10)


def test_a_part_has_its_own_hash_count_and_norm() -> None:
    pairs = choice_pairs(6)
    kept = keep(torch.randn(6, 2, 4), pairs)
    part = kept.subset({"p4", "p1"})
    made = part.provenance
    assert made.pairs_hash == Behavior("kind", (pairs[1], pairs[4])).hash
    assert made.pairs == 2
    assert part.residual_norm.tolist() == [6.5, 6.5]  # rows 2, 3, 8 and 9 have norms 3, 4, 9 and 10
    assert part.pair.tolist() == [0, 0, 1, 1]


def test_the_first_tokens_norm_of_a_part_is_that_of_the_whole() -> None:
    kept = keep(torch.randn(6, 2, 4))
    part = kept.subset({"p5"})
    whole, own = (k.residual_norm * torch.tensor(k.provenance.first_token_ratio) for k in (kept, part))
    assert torch.allclose(whole, own)


def test_a_part_weighs_its_own_answer_words() -> None:
    kept = keep(torch.randn(5, 2, 4), word_pairs(["Yes", "Yes", "No", "Yes", "No"]))
    assert kept.subset({"p0", "p1", "p2"}).weight.tolist() == [0.75, 0.75, 1.5]


def test_a_part_of_thinned_pairs_is_thinned_anew() -> None:
    pairs = tuple(pair if i < 4 else pair.swapped() for i, pair in enumerate(choice_pairs(8)))
    kept = keep(torch.randn(8, 2, 4), pairs, balance="subsample")
    some = [pair.id for pair in kept.pairs][:3]
    part = kept.subset(some)
    assert len({pair.label for pair in part.pairs}) == 2
    assert len(part.pairs) == 2


@pytest.mark.parametrize("ids", [["p1", "who?"], []], ids=["unknown", "none"])
def test_pairs_of_which_nothing_is_kept_are_named(ids: list[str]) -> None:
    with pytest.raises(DataError, match=r"there are no differences of these pairs: (who\?|no ids)"):
        keep(torch.randn(3, 2, 4)).subset(ids)


@pytest.mark.filterwarnings("ignore:.*the positive answers are")
@pytest.mark.parametrize("balance", ["both_orders", "off"])
@pytest.mark.parametrize("kind", ["open", "choice", "words"])
def test_balanced_differences_have_the_mean_for_their_mean(kind: str, balance: Balance) -> None:
    pairs = {"open": None, "choice": choice_pairs(7), "words": word_pairs(["Yes"] * 5 + ["No"] * 2)}[kind]
    kept = keep(torch.randn(7, 2, 4), pairs, letter=None if pairs is None else 20 * torch.ones(4), balance=balance)
    total = torch.zeros(7, dtype=torch.float64).index_add_(0, kept.pair, kept.weight)
    mean = torch.einsum("p,pld->ld", total.float(), kept.balanced()) / 7
    assert torch.allclose(mean, kept.vector("mean").direction, atol=1e-4)


def test_balanced_differences_do_not_tell_the_letter() -> None:
    words = ["Yes"] * 20 + ["No"] * 10
    noise = 0.1 * torch.randn(30, 2, 4, generator=torch.Generator().manual_seed(0))
    rows = keep(noise, word_pairs(words), letter=20 * torch.ones(4)).balanced()
    assert float((rows[:20].mean(0) - rows[20:].mean(0)).abs().max()) < 0.1


@pytest.mark.parametrize("method", [name for name in AGGREGATIONS.names() if not AGGREGATIONS.get(name).trained])
def test_a_part_gives_what_its_own_differences_give(method: str) -> None:
    differences = torch.randn(8, 2, 6, generator=torch.Generator().manual_seed(0)) + 1
    pairs = choice_pairs(8)
    part = keep(differences, pairs, letter=5 * torch.ones(6)).subset([pair.id for pair in pairs[2:7]])
    alone = keep(differences[2:7], pairs[2:7], letter=5 * torch.ones(6))
    assert torch.allclose(part.vector(method, 1).direction, alone.vector(method, 1).direction, atol=1e-5)
