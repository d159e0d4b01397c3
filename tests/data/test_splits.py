import itertools
import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.data import Behavior, Pair, dataset, sample, split
from trimtab.errors import DataError, SettingError


def choice(index, label="A", prompt=None):
    choices = ("yes", "no") if label == "A" else ("no", "yes")
    return Pair(f"p{index}", prompt or f"Question {index}?", "yes", "no", choices=choices)


def behavior_of(labels, name="toy"):
    return Behavior(name, tuple(choice(index, label) for index, label in enumerate(labels)))


def ids(behavior):
    return {pair.id for pair in behavior}


@given(st.lists(st.sampled_from("AB"), min_size=16, max_size=60), st.integers())
def test_parts_are_disjoint_and_hold_every_pair(labels, seed):
    behavior = behavior_of(labels)
    parts = split(behavior, seed=seed)
    assert sorted(pair.id for part in parts for pair in part) == sorted(ids(behavior))


@given(st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 30)), min_size=80, max_size=120), st.integers())
def test_pairs_with_one_prompt_stay_together(drawn, seed):
    spaces = [" ", "  ", "\n"]
    pairs = [choice(i, label, f"Question{spaces[i % 3]}{n}?") for i, (label, n) in enumerate(drawn)]
    try:
        parts = split(Behavior("toy", tuple(pairs)), seed=seed)
    except DataError:
        return  # too few different prompts drawn
    prompts = [{" ".join(pair.prompt.split()) for pair in part} for part in parts]
    assert all(a.isdisjoint(b) for a, b in itertools.combinations(prompts, 2))


@given(st.lists(st.sampled_from("AB"), min_size=16, max_size=100), st.integers())
def test_parts_have_their_shares_and_their_share_of_each_label(labels, seed):
    for part, share in zip(split(behavior_of(labels), seed=seed), (0.5, 0.25, 0.25), strict=True):
        assert abs(len(part) - share * len(labels)) <= 1
        assert abs(Counter(pair.label for pair in part)["A"] - share * labels.count("A")) <= 2


@given(st.integers(), st.randoms(use_true_random=False))
def test_parts_do_not_depend_on_the_order_of_the_pairs(seed, shuffler):
    behavior = behavior_of("AB" * 12)
    shuffled = list(behavior)
    shuffler.shuffle(shuffled)
    others = split(replace(behavior, pairs=tuple(shuffled)), seed=seed)
    for part, other in zip(split(behavior, seed=seed), others, strict=True):
        assert ids(part) == ids(other)


def test_parts_do_not_depend_on_ids():
    behavior = behavior_of("AB" * 12)
    renamed = replace(behavior, pairs=tuple(replace(pair, id=pair.id + "x") for pair in behavior))
    for part, other in zip(split(behavior), split(renamed), strict=True):
        assert part.hash == other.hash


def test_parts_are_the_same_on_every_machine():
    _, _, test = split(behavior_of("AB" * 8), seed=3)
    assert [pair.id for pair in test] == ["p0", "p5", "p9", "p12"]


def test_seed_changes_the_parts():
    behavior = behavior_of("AB" * 20)
    assert len({tuple(sorted(ids(split(behavior, seed=seed)[0]))) for seed in range(5)}) == 5


def test_parts_know_which_they_are_and_keep_the_order_of_the_file():
    parts = split(behavior_of("AB" * 10))
    assert [part.part for part in parts] == ["train", "select", "test"]
    for part in parts:
        assert [pair.id for pair in part] == sorted((pair.id for pair in part), key=lambda name: int(name[1:]))


def test_behavior_method_is_the_same_split():
    behavior = behavior_of("AB" * 10)
    assert behavior.split(seed=4) == split(behavior, seed=4)


def test_sixteen_pairs_are_enough():
    assert [len(part) for part in split(behavior_of("A" * 7 + "B" * 9))] == [8, 4, 4]


def test_too_few_pairs_say_how_many_are_needed():
    with pytest.raises(DataError, match=r"toy: 12 pairs .* hold 6, 3, 3 .* each needs 4; give at least 16 prompts"):
        split(behavior_of("A" * 12))


def test_part_cannot_be_split_again():
    with pytest.raises(DataError, match="train part already"):
        split(split(behavior_of("AB" * 40))[0])


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.5, 0.5, 0.0), (0.5, 0.3, 0.3), (2, -0.5, -0.5)])
def test_impossible_shares_are_refused(shares):
    with pytest.raises(SettingError, match="give 3 positive numbers that add up to 1"):
        split(behavior_of("AB" * 20), shares)


def test_sample_is_stratified_by_label_and_keeps_the_order():
    behavior = behavior_of(random.Random(0).sample("A" * 30 + "B" * 10, 40))
    small = sample(behavior, 8, seed=1)
    assert Counter(pair.label for pair in small) == {"A": 6, "B": 2}
    assert [pair for pair in behavior if pair in small.pairs] == list(small)


@given(st.integers(1, 50), st.integers(0, 5))
def test_sample_has_just_the_size_asked_for(limit, seed):
    assert len(sample(behavior_of("AAB" * 10), limit, seed)) == min(limit, 30)


def test_sample_of_none_is_refused():
    with pytest.raises(SettingError, match="at least one"):
        dataset("corrigible", limit=0)
