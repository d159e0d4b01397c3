import warnings
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.data import Behavior, Pair, letter_sign, present
from trimtab.errors import DataError, SettingError, TrimtabWarning


def listed(labels):
    orders = {"A": ("yes", "no"), "B": ("no", "yes")}
    return Behavior("toy", tuple(Pair(f"p{i}", f"Q{i}", "yes", "no", orders[x]) for i, x in enumerate(labels)))


def yes_no(words):
    other = {"Yes": "No", "No": "Yes"}
    return Behavior(
        "toy",
        tuple(Pair(f"p{i}", f"Q{i}", w, other[w], ("Yes", "No"), listed=False) for i, w in enumerate(words)),
    )


OPEN = Behavior("toy", (Pair("a", "Q", "short", "long"), Pair("b", "R", "short", "long")))


@given(st.text("AB", min_size=1, max_size=20))
def test_both_orders_cancel_the_letter_within_every_pair(labels):
    shown = present(listed(labels), "choice")
    for index in range(len(labels)):
        given, swapped = shown[2 * index : 2 * index + 2]
        assert (given.order, swapped.order) == (0, 1)
        assert swapped.pair == given.pair.swapped()
        assert given.weight * letter_sign(given) + swapped.weight * letter_sign(swapped) == 0


@given(st.text("AB", min_size=1, max_size=20))
def test_weights_add_up_to_the_number_of_pairs(labels):
    for form in ("choice", "text"):
        assert sum(one.weight for one in present(listed(labels), form)) == pytest.approx(len(labels))


@given(st.lists(st.sampled_from(["Yes", "No"]), min_size=2, max_size=20).filter(lambda words: len(set(words)) == 2))
def test_answer_words_are_weighted_until_both_count_the_same(words):
    for form in ("choice", "text"):
        shown = present(yes_no(words), form)
        assert {one.order for one in shown} == {0}
        assert sum(one.weight for one in shown) == pytest.approx(len(words))
        assert sum(one.weight * letter_sign(one) for one in shown) == pytest.approx(0)


def test_single_answer_word_cannot_be_balanced_and_warns():
    with pytest.warns(TrimtabWarning, match="the positive answer is 'Yes' in every pair"):
        shown = present(yes_no(["Yes", "Yes"]), "choice")
    assert [one.weight for one in shown] == [1, 1]


def test_listed_options_answered_by_text_are_shown_once_whatever_the_balance():
    behavior = listed("AAB")
    for balance in ("both_orders", "subsample", "off"):
        shown = present(behavior, "text", balance)
        assert [(one.pair, one.order, one.weight, letter_sign(one)) for one in shown] == [
            (pair, 0, 1, 0) for pair in behavior
        ]


def test_open_pairs_are_shown_once_in_every_form():
    for form in ("choice", "text"):
        assert [(one.pair, one.order, one.weight, letter_sign(one)) for one in present(OPEN, form)] == [
            (pair, 0, 1, 0) for pair in OPEN
        ]


@given(
    st.lists(st.sampled_from("AB"), min_size=2, max_size=20).filter(lambda labels: len(set(labels)) == 2),
    st.integers(),
)
def test_subsample_keeps_as_many_of_each_letter(labels, seed):
    behavior = listed(labels)
    shown = present(behavior, "choice", "subsample", seed)
    fewer = min(Counter(labels).values())
    assert Counter(one.pair.label for one in shown) == {"A": fewer, "B": fewer}
    assert [one.pair for one in shown] == [pair for pair in behavior if pair in {one.pair for one in shown}]


def test_subsample_depends_on_the_seed_alone():
    behavior = listed("A" * 30 + "B" * 10)
    kept = [tuple(one.pair.id for one in present(behavior, "choice", "subsample", seed)) for seed in (0, 0, 1)]
    assert kept[0] == kept[1] != kept[2]


def test_subsample_of_one_letter_is_refused():
    with pytest.raises(DataError, match="'A' in every pair, so none can be kept"):
        present(listed("AA"), "choice", "subsample")


def test_off_shows_pairs_as_given_and_warns_of_uneven_letters():
    with pytest.warns(TrimtabWarning, match="the positive answers are 2 A to 1 B and balance is off"):
        shown = present(listed("AAB"), "choice", "off")
    assert [letter_sign(one) for one in shown] == [1, 1, -1]


def test_warning_points_at_the_caller():
    with pytest.warns(TrimtabWarning) as caught:
        present(listed("AAB"), "choice", "off")
    with pytest.warns(TrimtabWarning) as caught_too:
        present(yes_no(["No"]), "choice")
    assert {warning.filename for warning in [*caught, *caught_too]} == {__file__}


def test_off_with_even_letters_is_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        present(listed("AB"), "choice", "off")


def test_letter_sign_of_words_is_plus_for_the_first_in_sorted_order():
    assert [letter_sign(one) for one in present(yes_no(["Yes", "No"]), "choice")] == [-1, 1]


def test_unknown_form_or_balance_is_refused():
    with pytest.raises(SettingError, match="the forms are choice and text"):
        present(OPEN, "letters")
    with pytest.raises(SettingError, match="choose one of both_orders, subsample, off"):
        present(OPEN, "text", "swap")
