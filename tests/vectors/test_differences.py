"""Sums over made-up differences, where the right answer is known."""

import pytest
import torch

from trimtab.errors import VectorError
from trimtab.vectors._difference_sums import DifferenceSums, require_direction

LAYERS, WIDTH = 3, 16


def planted(n: int = 40, letter: float = 30.0, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Differences [n, layers, width] = behavior + sign · letter + noise, the letter thirty times the behavior."""
    random = torch.Generator().manual_seed(seed)
    behavior, axis = torch.zeros(WIDTH), torch.zeros(WIDTH)
    behavior[0], axis[1] = 1.0, letter
    signs = torch.tensor([1.0, -1.0]).repeat(n // 2)
    noise = 0.1 * torch.randn(n, LAYERS, WIDTH, generator=random)
    return behavior + signs[:, None, None] * axis + noise, signs, behavior


def collect(differences: torch.Tensor, weights: list[float], signs: torch.Tensor) -> DifferenceSums:
    sums = DifferenceSums(weights, [int(s) for s in signs])
    for start in range(0, len(differences), 7):  # in uneven batches, as they stream in
        rows = list(range(start, min(start + 7, len(differences))))
        sums.add(rows, differences[rows], 2.0 * torch.ones(len(rows), LAYERS))
    return sums


def uneven(signs: torch.Tensor) -> list[int]:
    """Rows with 20 of one letter and 10 of the other."""
    return [i for i in range(40) if signs[i] > 0 or i % 4 == 1]


def cosines(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    return torch.cosine_similarity(found.float(), wanted.expand(LAYERS, -1), dim=1)


def test_the_letter_cancels_where_both_count_alike() -> None:
    differences, signs, behavior = planted()
    assert cosines(collect(differences, [0.5] * 40, signs).mean, behavior).min() > 0.99


def test_weights_cancel_an_uneven_share_of_answer_words() -> None:
    differences, signs, behavior = planted()
    kept = uneven(signs)
    weights = [30 / (2 * 20) if signs[i] > 0 else 30 / (2 * 10) for i in kept]
    assert cosines(collect(differences[kept], weights, signs[kept]).mean, behavior).min() > 0.99


def test_without_balance_the_letter_is_what_comes_out() -> None:
    differences, signs, behavior = planted()
    kept = uneven(signs)
    sums = collect(differences[kept], [1.0] * len(kept), signs[kept])
    assert cosines(sums.mean, behavior).max() < 0.2
    leakage = sums.letter_leakage(sums.mean)
    assert leakage is not None
    assert min(leakage.cosine) > 0.9


def test_leakage_of_balanced_letters_is_the_angle_to_the_behavior_and_relative_to_the_length() -> None:
    """Even letters that differ from pair to pair make a vector longer, and the cosine smaller for the same letter."""
    random = torch.Generator().manual_seed(0)
    behavior, axis = torch.zeros(WIDTH), torch.zeros(WIDTH)
    behavior[0], behavior[1], axis[1] = 1.0, 0.5, 30.0
    letters = axis + 4.0 * torch.randn(40, LAYERS, WIDTH, generator=random)  # of each pair its own
    signs = torch.tensor([1.0, -1.0]).repeat(20)
    once = behavior + signs[:, None, None] * letters
    both = torch.cat([behavior + letters, behavior - letters])
    balanced = collect(both, [0.5] * 80, torch.tensor([1.0, -1.0]).repeat_interleave(40))
    given = collect(once, [1.0] * 40, signs)
    leakages = [sums.letter_leakage(sums.mean) for sums in (balanced, given)]
    assert balanced.lean == given.lean == 0
    assert leakages[0] is not None
    assert leakages[1] is not None
    own = float(torch.cosine_similarity(behavior, balanced.letter_axis[0].float(), dim=0))
    assert leakages[0].cosine[0] == pytest.approx(abs(own), abs=1e-5)  # that of the behavior alone, and no letter
    assert max(leakages[1].cosine) < min(leakages[0].cosine)
    assert (given.mean.norm(dim=1) > 1.5 * balanced.mean.norm(dim=1)).all()


def test_the_letter_axis_is_free_of_the_behavior_however_uneven_the_letters() -> None:
    differences, signs, behavior = planted(letter=1.0)
    kept = uneven(signs)
    axis = collect(differences[kept], [1.0] * len(kept), signs[kept]).letter_axis
    assert cosines(axis, behavior).abs().max() < 0.1
    rows = differences[kept].double()
    halves = [rows[signs[kept] == sign].mean(0) for sign in (1, -1)]
    assert torch.allclose(axis, (halves[0] - halves[1]) / 2)


def test_where_only_one_letter_occurs_the_mean_is_all_leakage() -> None:
    differences, signs, _ = planted()
    kept = [i for i in range(40) if signs[i] < 0]
    sums = collect(differences[kept], [1.0] * 20, signs[kept])
    leakage = sums.letter_leakage(sums.mean)
    assert leakage is not None
    assert leakage.cosine == pytest.approx([1.0] * LAYERS)


def test_letter_share_is_its_part_of_the_squared_norm() -> None:
    differences, signs, _ = planted(letter=3.0)
    leakage = collect(differences, [0.5] * 40, signs).letter_leakage(torch.ones(LAYERS, WIDTH))
    assert leakage is not None
    # 9 for the letter, 1 for the behavior, 0.01 · 16 of noise
    assert leakage.share == pytest.approx([9 / 10.16] * LAYERS, rel=0.05)


def test_open_pairs_have_no_letter_leakage() -> None:
    differences, _, _ = planted()
    sums = collect(differences, [1.0] * 40, torch.zeros(40))
    assert sums.letter_leakage(sums.mean) is None


def test_residual_norm_is_the_weighted_mean_norm() -> None:
    sums = DifferenceSums([3.0, 1.0], [0, 0])
    sums.add([1], torch.ones(1, 2, 4), torch.tensor([[10.0, 20.0]]))
    sums.add([0], torch.ones(1, 2, 4), torch.tensor([[2.0, 4.0]]))
    assert sums.residual_norm.tolist() == [4.0, 8.0]


def test_sums_take_no_more_room_for_more_rows() -> None:
    def numbers(rows: int) -> int:
        differences, signs, _ = planted(rows)
        held = vars(collect(differences, [1.0] * rows, signs)).values()
        return sum(one.numel() for one in held if isinstance(one, torch.Tensor) and one.dim() > 1)

    assert numbers(20) == numbers(200) == 2 * LAYERS * WIDTH


def test_equal_states_give_no_direction() -> None:
    with pytest.raises(VectorError, match="no direction"):
        require_direction(collect(torch.zeros(8, LAYERS, WIDTH), [1.0] * 8, torch.zeros(8)).mean)
