"""The judge that comes with the pairs: it knows how good it is, and declines where it is not."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from trimtab.data import BUILT_INS, Behavior, Pair
from trimtab.errors import JudgeDeclined
from trimtab.judges import Exchange, Judgement
from trimtab.judges.classifier import FOLDS, MIN_ACCURACY, ClassifierJudge, fit_classifier

OPEN = ("cheerful", "concise", "permissive", "sutro-tower")


@pytest.fixture(scope="module")
def cheerful() -> ClassifierJudge:
    return fit_classifier(BUILT_INS["cheerful"].load())


def labelled_at_random(behavior: Behavior, seed: int) -> Behavior:
    flip = random.Random(seed)
    pairs = [replace(p, positive=p.negative, negative=p.positive) if flip.random() < 0.5 else p for p in behavior]
    return replace(behavior, pairs=tuple(pairs))


def by_hand(behavior: Behavior) -> float:
    """Cross-validation written out: train on the prompts of four folds, tell the completions of the fifth."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold

    prompts = [pair.prompt for pair in behavior]
    right = 0
    for known, unseen in GroupKFold(FOLDS).split(
        prompts, groups=[list(dict.fromkeys(prompts)).index(p) for p in prompts]
    ):
        assert not {prompts[i] for i in known} & {prompts[i] for i in unseen}
        texts = [text for i in known for text in (behavior[i].positive, behavior[i].negative)]
        views = (
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit(texts),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True).fit(texts),
        )

        def features(some: list[str], views: tuple[TfidfVectorizer, ...] = views) -> np.ndarray:
            return np.hstack([view.transform(some).toarray() for view in views])

        model = LogisticRegression(C=10.0, max_iter=1000).fit(features(texts), [1, 0] * len(known))
        right += sum(model.predict(features([behavior[i].positive for i in unseen])) == 1)
        right += sum(model.predict(features([behavior[i].negative for i in unseen])) == 0)
    return right / (2 * len(behavior))


@pytest.mark.parametrize("name", OPEN)
def test_it_tells_the_open_built_in_behaviors_and_knows_how_well(name: str) -> None:
    behavior = BUILT_INS[name].load()
    judge = fit_classifier(behavior)
    assert judge.accuracy >= 0.8
    assert judge.accuracy == pytest.approx(by_hand(behavior), abs=1e-9)
    assert judge.texts == 2 * len(behavior)
    assert f"{judge.accuracy:.0%} of {judge.texts} held-out completions" in str(judge)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", ["cheerful", "sutro-tower"])
def test_it_declines_where_completions_are_labelled_at_random(name: str, seed: int) -> None:
    with pytest.raises(JudgeDeclined, match=f"{name}: .* below 80%; .* use a language model as judge"):
        fit_classifier(labelled_at_random(BUILT_INS[name].load(), seed))


def test_choice_behaviors_that_words_do_not_show_are_declined() -> None:
    with pytest.raises(JudgeDeclined, match=r"corrigible: .* 7\d%"):
        fit_classifier(BUILT_INS["corrigible"].load())


@pytest.mark.parametrize("seed", range(4))
def test_prompts_with_several_pairs_stay_in_one_fold(seed: int) -> None:
    """Each pair four times under labels drawn at random: seen in training, all of them would be told right."""
    made = labelled_at_random(BUILT_INS["cheerful"].load(), seed)
    copies = tuple(replace(pair, id=f"{pair.id}-{i}") for i in range(4) for pair in made)
    with pytest.raises(JudgeDeclined):
        fit_classifier(replace(made, pairs=copies))


def test_conversations_are_told_apart_by_what_is_said_in_them() -> None:
    behavior = BUILT_INS["cheerful"].load()
    talks = tuple(replace(p, prompt=({"role": "user", "content": str(p.prompt)},)) for p in behavior)
    assert fit_classifier(replace(behavior, pairs=talks)).accuracy == fit_classifier(behavior).accuracy


@pytest.mark.parametrize(("prompts", "copies"), [(0, 1), (1, 1), (9, 1), (9, 5)])
def test_it_declines_where_there_are_too_few_prompts_and_says_how_many_it_takes(prompts: int, copies: int) -> None:
    behavior = BUILT_INS["cheerful"].load()
    few = tuple(replace(pair, id=f"{pair.id}-{i}") for i in range(copies) for pair in behavior[:prompts])
    words = f"cheerful: {prompts} different prompts are too few .* at least 10, or another judge"
    with pytest.raises(JudgeDeclined, match=words):
        fit_classifier(replace(behavior, pairs=few))


def test_the_least_number_of_prompts_is_enough() -> None:
    pairs = [Pair(str(i), f"{i}?", f"oh yes, number {i}", f"alas, {i} it is") for i in range(2 * FOLDS)]
    assert fit_classifier(Behavior("plain", tuple(pairs))).accuracy >= MIN_ACCURACY


def test_cheerful_text_scores_above_gloomy_text(cheerful: ClassifierJudge) -> None:
    gay, gloomy = "What a lovely, wonderful day! I'm so glad you asked.", "Everything is bleak, dull and tiring, alas."
    ((_, found),) = cheerful.judge([Exchange("How are you?", gay, gloomy)])
    assert 5 < found.score <= 10
    assert found.change > 2
    assert np.isnan(found.coherence)
    assert found.failure == ""


def test_changes_turn_around_when_the_replies_do_and_are_none_for_equal_ones(cheerful: ClassifierJudge) -> None:
    texts = ["What a wonderful day!", "It is bleak.", "", "🍨🍨🍨", "The capital is Lisbon.", "word " * 3000]
    exchanges = [Exchange("q", one, other) for one in texts for other in texts]
    found = dict(cheerful.judge(exchanges))
    assert list(found) == list(range(len(exchanges)))
    for index, exchange in enumerate(exchanges):
        back = found[exchanges.index(Exchange("q", exchange.unsteered, exchange.reply))]
        assert found[index].change == -back.change
        assert found[index].change == found[index].score - back.score
        assert 0 <= found[index].score <= 10
        assert (exchange.reply == exchange.unsteered) <= (found[index].change == 0)


def test_a_judgement_does_not_depend_on_the_others(cheerful: ClassifierJudge) -> None:
    exchanges = [Exchange("q", pair.positive, pair.negative) for pair in BUILT_INS["cheerful"].load()[:6]]
    together = dict(cheerful.judge(exchanges))
    for index, exchange in enumerate(exchanges):
        ((_, alone),) = cheerful.judge([exchange])
        assert (alone.score, alone.change) == pytest.approx((together[index].score, together[index].change))
    assert list(cheerful.judge([])) == []


def test_the_same_pairs_make_the_same_judge(cheerful: ClassifierJudge) -> None:
    again, exchange = fit_classifier(BUILT_INS["cheerful"].load()), Exchange("q", "What a day!", "It rains.")
    assert again.accuracy == cheerful.accuracy
    one, other = (next(iter(judge.judge([exchange])))[1] for judge in (again, cheerful))
    assert isinstance(one, Judgement)
    assert (one.score, one.change) == (other.score, other.change)
