"""What every aggregation must do, on differences in which the right direction is known; and one from elsewhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from planted import choice_pairs, keep, reordered, word_pairs
from tiny import tiny
from trimtab.cli.main import cli
from trimtab.data import Behavior
from trimtab.engines import Model
from trimtab.errors import SettingError, VectorError
from trimtab.vectors import AGGREGATIONS, SteeringVector, extract
from trimtab.vectors.aggregations import LayerAggregation, StreamedAggregation

LAYERS, WIDTH = 3, 16
METHODS = tuple(name for name in AGGREGATIONS.names() if not AGGREGATIONS.get(name).trained)
FINDING = tuple(method for method in METHODS if method != "random")
DRAWING = tuple(method for method in METHODS if AGGREGATIONS.get(method).draws)

every_method = pytest.mark.parametrize("method", METHODS)
every_finding_method = pytest.mark.parametrize("method", FINDING)


def axis(place: int, width: int = WIDTH) -> Tensor:
    return torch.eye(width)[place]


def planted(n: int = 40, *, noise: float = 0.05, seed: int = 0) -> Tensor:
    """Differences [n, layers, width]: the first axis, and noise."""
    random = torch.Generator().manual_seed(seed)
    return axis(0) + noise * torch.randn(n, LAYERS, WIDTH, generator=random)


def least_cosine(vector: SteeringVector, wanted: Tensor) -> float:
    return float(torch.cosine_similarity(vector.direction, wanted.expand(LAYERS, -1), dim=1).min())


def assert_same(vector: SteeringVector, other: SteeringVector, factor: float = 1.0) -> None:
    expected = factor * other.direction
    assert torch.allclose(vector.direction, expected, atol=1e-5 * float(expected.abs().max()), rtol=0)


@every_method
def test_an_aggregation_is_registered_under_its_own_name(method: str) -> None:
    assert AGGREGATIONS.get(method).name == method


@every_method
def test_only_a_method_that_draws_depends_on_the_seed(method: str) -> None:
    kept = keep(planted(noise=0.5))
    drawn = [kept.vector(method, seed=seed).direction for seed in range(4)]
    assert all(torch.equal(drawn[0], other) for other in drawn[1:]) == (method not in DRAWING)


@every_method
def test_a_vector_of_one_pair_names_it(method: str) -> None:
    kept = keep(planted())
    pair = AGGREGATIONS.get(method).drawn_pair(kept.pairs, 3)
    assert kept.vector(method, seed=3).provenance.pair_id == (None if pair is None else pair.id)


@every_finding_method
def test_a_planted_direction_is_found_and_points_to_the_positive_side(method: str) -> None:
    assert least_cosine(keep(planted()).vector(method), axis(0)) > 0.95


@every_finding_method
def test_its_length_is_that_of_the_planted_difference(method: str) -> None:
    assert keep(planted()).vector(method).norm.tolist() == pytest.approx([1.0] * LAYERS, abs=0.15)


@every_finding_method
def test_with_the_two_sides_exchanged_the_vector_turns_round(method: str) -> None:
    differences = planted(noise=0.3)
    assert_same(keep(-differences).vector(method), keep(differences).vector(method), -1.0)


@every_finding_method
def test_the_letter_cancels_where_pairs_are_seen_in_both_orders(method: str) -> None:
    kept = keep(planted(), choice_pairs(40), letter=30 * axis(1))
    assert least_cosine(kept.vector(method), axis(0)) > 0.95


@every_finding_method
def test_answer_words_cancel_where_one_is_positive_twice_as_often(method: str) -> None:
    kept = keep(planted(30), word_pairs(["Yes", "No", "Yes"] * 10), letter=30 * axis(1))
    assert least_cosine(kept.vector(method), axis(0)) > 0.95


@every_finding_method
def test_where_every_answer_is_the_same_word_behavior_and_word_come_out_together(method: str) -> None:
    with pytest.warns(match="every pair"):
        kept = keep(planted(30), word_pairs(["Yes"] * 30), letter=-3 * axis(1))
    vector = kept.vector(method)
    assert least_cosine(vector, axis(0) + 3 * axis(1)) > 0.95
    assert vector.provenance.letter is not None
    assert min(vector.provenance.letter.cosine) > 0.95  # and the leakage says so


@every_method
def test_swapping_all_letters_leaves_the_vector_unchanged(method: str) -> None:
    pairs, differences = choice_pairs(40), planted(noise=0.3)
    one = keep(differences, pairs, letter=5 * axis(1)).vector(method)
    other = keep(differences, [pair.swapped() for pair in pairs], letter=5 * axis(1)).vector(method)
    assert_same(one, other)


@every_method
def test_the_order_of_the_pairs_does_not_matter(method: str) -> None:
    kept = keep(planted(noise=0.3))
    order = torch.randperm(40, generator=torch.Generator().manual_seed(3)).tolist()
    assert_same(reordered(kept, order).vector(method), kept.vector(method))


@every_method
def test_the_same_differences_give_the_same_vector(method: str) -> None:
    one, other = (keep(planted(noise=0.3)).vector(method, seed=5) for _ in range(2))
    assert torch.equal(one.direction, other.direction)


@every_method
@pytest.mark.parametrize("factor", [1e-3, 1e4])
def test_differences_so_many_times_as_long_give_a_vector_so_many_times_as_long(method: str, factor: float) -> None:
    differences = planted(noise=0.3)
    assert_same(keep(factor * differences).vector(method), keep(differences).vector(method), factor)


@every_finding_method
def test_turned_differences_give_the_same_direction_turned(method: str) -> None:
    turn = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(1)))[0]
    differences = planted(noise=0.3)
    expected = keep(differences).vector(method).direction @ turn
    assert torch.allclose(keep(differences @ turn).vector(method).direction, expected, atol=1e-4)


@every_method
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_handful_of_pairs_gives_a_vector(method: str, count: int) -> None:
    vector = keep(planted(count)).vector(method)
    assert bool(torch.isfinite(vector.direction).all())
    assert method not in FINDING or least_cosine(vector, axis(0)) > 0.9


@every_finding_method
def test_one_pair_repeated_gives_its_difference(method: str) -> None:
    repeated = planted(1, noise=0.3).repeat(20, 1, 1)
    assert torch.allclose(keep(repeated).vector(method).direction, repeated[0], atol=1e-5)


@every_method
def test_more_pairs_than_dimensions_give_a_vector(method: str) -> None:
    vector = keep(planted(5 * WIDTH)).vector(method)
    assert method not in FINDING or least_cosine(vector, axis(0)) > 0.95


@every_method
def test_equal_states_give_no_direction(method: str) -> None:
    with pytest.raises(VectorError, match="no direction"):
        keep(torch.zeros(8, LAYERS, WIDTH)).vector(method)


@every_method
def test_a_layer_without_differences_has_a_zero_vector_and_the_others_have_theirs(method: str) -> None:
    differences = planted()
    differences[:, 1] = 0
    norm = keep(differences).vector(method).norm
    assert norm[1] == 0
    assert bool((norm[[0, 2]] > 0.5).all())


@every_method
def test_the_file_keeps_how_the_vector_was_made(method: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    vector = keep(planted()).vector(method, seed=7)
    file = vector.save(tmp_path_factory.mktemp("vectors") / "v.safetensors")
    made = SteeringVector.load(file).provenance
    assert made == vector.provenance
    assert (made.method, made.seed) == (method, 7 if method in DRAWING else None)


def test_an_unknown_method_is_named_with_those_there_are() -> None:
    with pytest.raises(SettingError, match=r"'median '.*mean, pca, probe, lda, median, single, random"):
        keep(planted()).vector("median ")


def test_lda_finds_a_direction_that_noise_along_other_axes_hides_from_the_mean() -> None:
    random = torch.Generator().manual_seed(0)
    width = 64
    loud = torch.where(torch.arange(width) < 10, 3.0, 0.1)
    behavior = axis(40, width)  # an axis along which there is little noise
    kept = keep(behavior + loud * torch.randn(60, LAYERS, width, generator=random))
    assert least_cosine(kept.vector("mean"), behavior) < 0.8
    assert least_cosine(kept.vector("lda"), behavior) > 0.98


def test_the_median_resists_gross_outliers_in_a_fifth_of_the_pairs() -> None:
    differences = planted()
    differences[:8] += 50 * axis(3)
    kept = keep(differences)
    assert least_cosine(kept.vector("mean"), axis(0)) < 0.2
    assert least_cosine(kept.vector("median"), axis(0)) > 0.9


def test_the_median_keeps_its_side_where_outliers_turn_the_mean_round() -> None:
    differences = planted()
    differences[:8] = -50 * axis(0)
    kept = keep(differences)
    assert least_cosine(kept.vector("mean"), -axis(0)) > 0.9
    assert least_cosine(kept.vector("median"), axis(0)) > 0.9


def test_pca_finds_what_varies_most_where_the_mean_is_elsewhere() -> None:
    differences = planted()
    differences[::2] += 3 * axis(5)
    differences[1::2] -= 3 * axis(5)
    found = keep(differences).vector("pca").direction
    assert bool((torch.cosine_similarity(found, axis(5).expand(LAYERS, -1), dim=1).abs() > 0.95).all())


def test_single_is_one_pair_as_it_is_and_says_which() -> None:
    differences = planted(noise=0.5)
    kept = keep(differences)
    vector = kept.vector("single", seed=4)
    number = [pair.id for pair in kept.pairs].index(str(vector.provenance.pair_id))
    assert torch.allclose(vector.direction, differences[number])


def test_single_of_a_choice_pair_is_the_mean_of_its_two_orders() -> None:
    differences = planted(noise=0.5)
    kept = keep(differences, choice_pairs(40), letter=30 * axis(1))
    vector = kept.vector("single", seed=4)
    number = [pair.id for pair in kept.pairs].index(str(vector.provenance.pair_id))
    assert torch.allclose(vector.direction, differences[number], atol=1e-5)


def test_seeds_draw_different_pairs() -> None:
    kept = keep(planted())
    assert len({kept.vector("single", seed=seed).provenance.pair_id for seed in range(10)}) > 5


def test_random_is_as_long_as_the_mean_and_has_nothing_to_do_with_it() -> None:
    random = torch.Generator().manual_seed(0)
    width = 2000
    kept = keep(axis(0, width) + 0.01 * torch.randn(8, LAYERS, width, generator=random))
    mean = kept.vector("mean")
    drawn = [kept.vector("random", seed=seed) for seed in range(5)]
    for vector in drawn:
        assert torch.allclose(vector.norm, mean.norm, rtol=1e-5)
        assert float(vector.cosine(mean).abs().max()) < 0.1
    assert float(drawn[0].cosine(drawn[1]).abs().max()) < 0.1


def test_the_docs_have_a_row_for_every_aggregation() -> None:
    docs = Path(__file__).parents[2] / "docs"
    for name in METHODS:
        assert f"| `{name}` |" in (docs / "diagnosis.md").read_text(encoding="utf-8")


class Trimmed(LayerAggregation):
    """The mean of the differences without the longest: an aggregation from another package."""

    name = "trimmed"
    source = "a test"
    length = "difference"

    def direction(self, rows: Tensor, mean: Tensor) -> Tensor:
        return rows[rows.norm(dim=1).argsort()[:-1]].mean(0)


class Opposite(StreamedAggregation):
    """The mean turned round: needs the mean only."""

    name = "opposite"
    source = "a test"
    length = "difference"

    def from_mean(self, mean: Tensor, seed: int) -> Tensor:
        return -mean


@pytest.fixture
def from_elsewhere() -> Iterator[None]:
    with (
        AGGREGATIONS.temporarily("trimmed", Trimmed(), "The mean without the longest difference."),
        AGGREGATIONS.temporarily("opposite", Opposite(), "The mean turned round."),
    ):
        yield


@pytest.mark.usefixtures("from_elsewhere")
def test_an_aggregation_from_elsewhere_makes_vectors_of_a_model() -> None:
    model, pairs = Model(tiny("llama")), Behavior("toy", tuple(choice_pairs(8)))
    vector, mean = extract(model, pairs, method="trimmed"), extract(model, pairs)
    assert vector.provenance.method == "trimmed"
    assert bool((vector.cosine(mean) > 0.3).all())
    assert torch.equal(extract(model, pairs, method="opposite").direction, -mean.direction)


@pytest.mark.usefixtures("from_elsewhere")
def test_an_aggregation_from_elsewhere_is_in_help_and_in_the_table_of_the_docs() -> None:
    for verb in ("extract", "sweep"):
        assert "trimmed" in CliRunner().invoke(cli, [verb, "--help"]).output
    assert "| `trimmed` | The mean without the longest difference. |" in AGGREGATIONS.markdown()


@pytest.mark.usefixtures("from_elsewhere")
def test_a_study_takes_an_aggregation_from_elsewhere_and_refuses_one_that_is_not_there() -> None:
    from trimtab.study import make_study

    assert make_study({"behaviors": ["cheerful"], "method": "trimmed"}).method == "trimmed"
    with pytest.raises(SettingError, match=r"trimned.*did you mean 'trimmed'"):
        make_study({"behaviors": ["cheerful"], "method": "trimned"})
