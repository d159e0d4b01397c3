import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.errors import SettingError
from trimtab.evaluation.option_reading import Reading, can_stop, read_answer

COLORS = ("Red", "Green", "Blue", "Yellow")
YES_NO = ("Yes", "No")
READ_BY = ("letter", "text", "yes/no", "wording", "elimination")
STAY = ("I would stay.", "I would leave.")


def option(reply: str, options: tuple[str, ...] = COLORS) -> int | None:
    return read_answer(reply, options).option


@pytest.mark.parametrize(
    "reply",
    [
        "(C)",
        "C",
        "C.",
        "C)",
        "C:\n"[:1],
        "[C]",
        "**C**",
        "**(C)**",
        "### (C)",
        "`C`",
        '"C"',
        "> (C)",
        "- C",
        "(c)",
        "c)",
    ],
)
def test_a_letter_alone_is_read_however_it_is_dressed(reply: str) -> None:
    assert option(reply) == 2


@pytest.mark.parametrize("reply", ["（C）", "Ｃ", "【C】", "(Ｃ)"])
def test_full_width_letters_and_brackets_are_read(reply: str) -> None:
    assert option(reply) == 2


@pytest.mark.parametrize(
    "reply", [r"\boxed{C}", r"The answer is $\boxed{\text{C}}$.", "<answer>C</answer>", '{"answer": "C"}']
)
def test_a_letter_is_read_from_latex_tags_and_json(reply: str) -> None:
    assert option(reply) == 2


@pytest.mark.parametrize(
    "reply",
    [
        "The correct answer is: C",
        "I think the answer is C",
        "I'd pick C.",
        "My choice would be (C)",
        "A good choice is (C)",
        "Option C is the best option.",
        "(C) makes the most sense to me.",
        "(A) is wrong, so (C).",
        "Between (A) and (C), I choose (C)",
        "If I had to choose, I would pick (C).",
        "My answer is (C), not (A).",
        "The answer is not (A) but (C).",
    ],
)
def test_a_sentence_that_commits_is_read(reply: str) -> None:
    assert option(reply) == 2


@pytest.mark.parametrize(
    "reply",
    [
        "(A) is wrong.",
        "I don't think the answer is (A).",
        "The worst option is (A).",
        "The most expensive choice is (A).",
        "(A) is a bad choice.",
        "(A) Red seems too loud.",
    ],
)
def test_a_denied_option_is_no_answer_and_the_others_are_not_guessed(reply: str) -> None:
    assert read_answer(reply, COLORS[:2]).option is None


@pytest.mark.parametrize("reply", ["not (A)", "I would never pick (A).", "Anything but red.", "I wouldn't pick (A)."])
def test_of_two_options_the_one_that_is_not_ruled_out_is_read(reply: str) -> None:
    assert read_answer(reply, COLORS[:2]) == Reading(1, "elimination")
    assert option(reply) is None


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("Not red, not green, not yellow.", 2),
        ("Neither red nor green nor yellow.", 2),
        ("Neither red nor green.", None),
    ],
)
def test_of_several_options_the_last_one_left_is_read(reply: str, answer: int | None) -> None:
    assert option(reply) == answer


@pytest.mark.parametrize(
    "reply", ["Many would say the answer is (A).", "You might think the answer is (A).", "You chose (A)."]
)
def test_what_others_say_is_no_answer(reply: str) -> None:
    assert option(reply) is None


def test_an_answer_under_a_condition_is_no_answer() -> None:
    assert option("If it is a warm day, the answer is (A).") is None


@pytest.mark.parametrize("reply", ["Is (A) the right answer?", "(A)?", "Which would you choose, (A) or (B)?"])
def test_a_question_is_no_answer(reply: str) -> None:
    assert option(reply) is None


@pytest.mark.parametrize(
    "reply", ["(A) and (B)", "A or B", "A, B", "Both (A) and (B).", "(A) (B)", "Neither (A) nor (B)"]
)
def test_two_options_are_ambiguous(reply: str) -> None:
    assert read_answer(reply, COLORS) == Reading(None, "ambiguous")


@pytest.mark.parametrize("reply", ["A good color suits the room.", "A", "a", "I"])
def test_an_article_is_no_letter_unless_it_stands_alone_as_a_capital(reply: str) -> None:
    assert option(reply) == (0 if reply == "A" else None)


@pytest.mark.parametrize(
    "reply", ["Vitamin C is healthy.", "Plan B is ready.", "Cats", "C++", "B. F. Skinner", "E. coli", "À", "А"]
)
def test_letters_inside_words_and_names_do_not_count(reply: str) -> None:
    assert option(reply) is None


@pytest.mark.parametrize("reply", ["E", "(E)", "The answer is E."])
def test_a_letter_beyond_the_options_is_invalid(reply: str) -> None:
    assert option(reply) is None


def test_an_option_text_is_read_without_its_letter() -> None:
    assert read_answer("blue!", COLORS) == Reading(2, "text")


def test_case_and_punctuation_of_an_option_text_do_not_count() -> None:
    assert option("“No they stay disabled”", ("No, they stay disabled.", "Yes.")) == 0


def test_of_two_texts_that_begin_alike_the_longer_one_is_read_where_it_stands() -> None:
    options = ("Accept the shutdown", "Accept the shutdown but ask for a delay")
    assert (option("Accept the shutdown.", options), option("accept the shutdown but ask for a delay", options)) == (
        0,
        1,
    )


def test_a_long_text_that_is_cut_off_is_read() -> None:
    assert (
        option("They stay disabled until the hos", ("They stay disabled until the hospital agrees.", "They do not."))
        == 0
    )


def test_the_beginning_of_a_text_as_a_finished_sentence_is_read_by_its_words_only() -> None:
    keep = ("I'd hand over control to them.", "I'd keep it.")
    assert read_answer("I'd hand over control.", keep) == Reading(0, "wording")
    assert option("Control can be handed over.", keep) is None


JOBS = ("Sing in a choir", "Climb rocks", "Play chess")


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("I'd join a choir.", 0),
        ("I want to climb.", 1),
        ("Chess sounds like fun.", 2),
        ("I'd rather sing than climb.", 0),
        ("I'd never climb.", None),
        ("I might sing or climb.", None),
        ("Chess is played with two players.", None),
        ("A choir needs many voices.", None),
        ("I'd collect stamps.", None),
    ],
)
def test_an_option_in_other_words_is_read_by_the_words_that_are_its_own(reply: str, answer: int | None) -> None:
    assert read_answer(reply, JOBS) == Reading(answer, "wording") if answer is not None else option(reply, JOBS) is None


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("I would recommend it.", 0),
        ("I would not recommend it.", 1),
        ("I'd never recommend the rival.", 1),
        ("Rivals are recommended by others.", None),
        ("You ask whether I would recommend it.", None),
    ],
)
def test_a_reply_that_repeats_the_question_says_yes_and_denied_no(reply: str, answer: int | None) -> None:
    assert read_answer(reply, YES_NO, prompt="Would you recommend the rival?").option == answer


def test_a_text_inside_a_word_does_not_count() -> None:
    assert option("Disagree", ("Agree", "Disagree")) == 1


def test_two_options_with_one_text_cannot_be_told_apart_by_it() -> None:
    assert option("Red", ("Red", "Red")) is None


def test_letter_and_text_that_contradict_each_other_are_ambiguous() -> None:
    assert read_answer("(A) Green", COLORS) == Reading(None, "ambiguous")


def test_a_letter_before_the_beginning_of_another_text_is_ambiguous() -> None:
    assert option("(A) I'd let them go", ("I'd keep them here.", "I'd let them go home.")) is None


def test_a_copied_list_of_options_is_no_answer() -> None:
    assert read_answer("(A) I would stay.\n(B) I would leave.", STAY) == Reading(None, "ambiguous")


def test_the_answer_under_a_copied_list_is_read() -> None:
    assert option("(A) I would stay.\n(B) I would leave.\n\nAnswer: (B)", STAY) == 1


def test_a_copied_option_and_another_answer_are_ambiguous() -> None:
    assert option("(A) I would stay.\n\nThe answer is (B).", STAY) is None


def test_a_marked_correction_counts() -> None:
    assert option("(A)... no, actually (B)") == 1


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("I would say (A)... actually no, on reflection (B)", 1),
        ("(A). Sorry, I meant (C).", 2),
        ("(B), or rather (A).", 0),
        ("I'd pick (A). Just kidding, (C).", 2),
        ("I pick (A). Actually, I take that back.", None),
        ("I'd choose (A). Then again, (B) might be better.", None),
        ("I'd choose (A), although it could be (C) as well.", None),
        ("I'd choose (A). Actually, the more I think of (B), the less I know.", None),
        ("(B). That said, (A) is also nice.", 1),
    ],
)
def test_a_change_of_mind_is_never_read_as_its_first_half(reply: str, answer: int | None) -> None:
    assert read_answer(reply, ["Cats", "Dogs", "Newts"]).option == answer


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("I'd go with the second option.", 1),
        ("Option three, obviously.", 2),
        ("Number 1.", 0),
        ("The last one.", 2),
        ("I'd pick the first.", 0),
        ("The former.", None),  # of three?
        ("First, let me think about it.", None),
        ("The second option is wrong.", None),
        ("Option 4", None),
        ("My second choice would be newts.", None),
    ],
)
def test_an_option_may_be_named_by_its_place(reply: str, answer: int | None) -> None:
    assert read_answer(reply, ["Cats", "Dogs", "Newts"]).option == answer


def test_where_options_are_called_by_numbers_a_number_is_a_label() -> None:
    assert read_answer("Option 2", ["Cats", "Dogs"], labels=["2", "1"]).option == 0


def test_an_unmarked_change_is_ambiguous() -> None:
    assert option("I choose (A). I choose (B).") is None


def test_an_answer_followed_by_doubt_is_no_answer() -> None:
    assert option("I would choose (A). On the other hand, (B) is calmer. I'm honestly unsure.") is None


def test_a_statement_about_an_option_is_no_answer() -> None:
    assert option("Red (A) is a warm color.") is None


def test_an_answer_taken_back_is_no_answer() -> None:
    assert option("The answer is (A). Hmm wait, let me reconsider.") is None


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("Yes, I would.", 0),
        ("No.", 1),
        ("I would say no", 1),
        ("Absolutely, yes.", 0),
        ("Absolutely!", 0),
        ("Of course not.", 1),
        ("I agree.", 0),
        ("I don't think so.", 1),
        ("They did.", 0),
        ("Not a chance.", 1),
        ("That's not like me at all.", 1),
    ],
)
def test_yes_and_no_are_read(reply: str, answer: int) -> None:
    assert read_answer(reply, YES_NO) == Reading(answer, "yes/no")


@pytest.mark.parametrize(
    "reply",
    [
        "Yes and no.",
        "Not sure.",
        "No one knows.",
        "Yes. No.",
        "Sure! Here are some arguments for both sides.",
        "Of course, this is a difficult question.",
        "True, robots are common.",
        "Yes, that's a good question.",
    ],
)
def test_no_yes_or_no_is_guessed(reply: str) -> None:
    assert option(reply, YES_NO) is None


def test_yes_and_no_stand_for_options_that_begin_with_them() -> None:
    assert option("No.", ("Yes, I would go.", "No, I would stay.")) == 1


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("Ja, auf jeden Fall.", 0),
        ("Bien sûr que non.", 1),
        ("Para nada.", 1),
        ("Certo!", 0),
        ("Não, obrigado.", 1),
        ("Конечно.", 0),
        ("当然。", 0),
        ("いいえ。", 1),
        ("아니요.", 1),
        ("Je ne sais pas.", None),
        ("Es kommt darauf an.", None),
    ],
)
def test_yes_and_no_are_read_in_other_languages(reply: str, answer: int | None) -> None:
    assert option(reply, YES_NO) == answer


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("Ich würde B wählen.", 1),
        ("Ich würde B nicht wählen.", None),
        ("La troisième option.", 2),
        ("La respuesta es (A).", 0),
        ("Scelgo C.", 2),
        ("Ответ: D", 3),
        ("我选择第二个。", 1),
        ("答えはBです。", 1),
        ("Weder A noch B.", None),
    ],
)
def test_letters_and_places_are_read_in_other_languages(reply: str, answer: int | None) -> None:
    assert option(reply) == answer


def test_a_refusal_is_told_apart() -> None:
    assert read_answer("I'm sorry, I can't help with that.", COLORS) == Reading(None, "refusal")


def test_an_answer_given_in_spite_of_a_refusal_is_read() -> None:
    assert option("As an AI, I don't have preferences, but I would choose (C).") == 2


@pytest.mark.parametrize("tag", ["think", "thinking"])
def test_thinking_is_removed(tag: str) -> None:
    assert option(f"<{tag}>The answer is (A).</{tag}>\n\n(B)") == 1


def test_thinking_that_the_prompt_opened_is_removed() -> None:
    assert option("The answer is (A).\n</think>\n(B)") == 1


def test_thinking_that_does_not_end_is_told_apart() -> None:
    assert read_answer("<think>The answer is (A). But", COLORS) == Reading(None, "unfinished thinking")


def test_harmony_channels_are_told_apart() -> None:
    analysis = "<|channel|>analysis<|message|>(A) looks right."
    assert read_answer(analysis, COLORS).reason == "unfinished thinking"
    assert option(analysis + "<|end|><|start|>assistant<|channel|>final<|message|>(B)") == 1


def test_what_a_base_model_goes_on_to_say_for_the_user_does_not_count() -> None:
    assert option("(B)\n\nHuman: And now?\n\nAssistant: (A)") == 1


@pytest.mark.parametrize(("reply", "why"), [("", "empty"), (" \n", "empty"), ("Well, this is hard.", "absent")])
def test_an_invalid_reply_says_why(reply: str, why: str) -> None:
    assert read_answer(reply, COLORS) == Reading(None, why)  # type: ignore[arg-type]


def test_other_labels_can_be_given() -> None:
    assert read_answer("The answer is 2.", ("Red", "Green"), labels=("1", "2")).option == 1


def test_labels_and_options_must_be_as_many() -> None:
    with pytest.raises(SettingError, match="2 options need as many labels"):
        read_answer("A", ("Red", "Green"), labels=("A",))


@pytest.mark.parametrize(
    "so_far", ["A", "(A", "(A)", "(A)\n", "(A) Red", "(A) Red\n(B", "A good choice", "(A) is", "Yes"]
)
def test_generation_goes_on_while_the_answer_may_still_change(so_far: str) -> None:
    assert not can_stop(so_far, COLORS)


def test_generation_stops_once_an_explanation_is_under_way() -> None:
    assert can_stop("(A)\n\nIt is the color of warmth and", COLORS)


def test_generation_does_not_stop_at_the_first_option_of_a_copied_list() -> None:
    reply = "(A) I would stay.\n(B) I would leave."
    assert not any(can_stop(reply[:n], STAY) for n in range(len(reply) + 1))


def test_generation_does_not_stop_while_the_model_thinks() -> None:
    assert not can_stop("<think>(A)\n\nRed is the color of warmth and", COLORS)


@settings(deadline=None)
@given(st.text(max_size=300), st.lists(st.text(max_size=20), min_size=1, max_size=7))
def test_no_text_raises(reply: str, options: list[str]) -> None:
    reading = read_answer(reply, options)
    assert (reading.option is not None) == (reading.reason in READ_BY)
    can_stop(reply, options)


PIECES = (
    "(A)",
    "B",
    "a",
    "I choose",
    "the answer is",
    "not",
    "is",
    "or",
    "Red",
    "blue",
    ",",
    ". ",
    "\n",
    "İ",
    "?",
    "wait",
    "<think>",
)


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join))
def test_no_mixture_of_what_matters_raises(reply: str) -> None:
    read_answer(reply, COLORS)
    can_stop(reply, COLORS)


@settings(deadline=None)
@given(
    st.permutations(range(4)),
    st.sampled_from(
        [
            "{}",
            "{}.",
            "I'd pick {}.",
            "My favorite is {}, not {}.",
            "{} and {}",
            "I like {} best.",
            "The answer is {}. Wait, no, {}.",
            "not {}",
        ]
    ),
    st.permutations(COLORS),
)
def test_permuting_the_options_permutes_the_reading(order: list[int], template: str, named: list[str]) -> None:
    reply = template.format(*named)
    before, after = option(reply), option(reply, tuple(COLORS[i] for i in order))
    assert after == (None if before is None else order.index(before))


@settings(deadline=None)
@given(st.text(st.characters(blacklist_categories=["L", "N", "S", "Cs", "Co"]), max_size=100))
def test_text_without_letters_is_invalid(reply: str) -> None:
    assert option(reply) is None


@settings(deadline=None)
@given(st.lists(st.from_regex(r"[e-hj-z]{2,8}[.,!?]?", fullmatch=True), max_size=40).map(" ".join))
def test_words_that_name_no_option_are_invalid(reply: str) -> None:
    words = re.findall(r"\w+", reply)
    assert option(reply) is None or {"red", "green", "blue", "yellow"} & set(words)


@pytest.mark.parametrize(
    "piece", ["A ", "(A) ", "the good ", "i definitely ", "\n", '"(', "*", "so, ", "red ", "(A), and or ", "thanks "]
)
def test_reading_time_stays_small_for_long_replies(piece: str) -> None:
    start = time.process_time()
    read_answer(piece * (8000 // len(piece)), COLORS)
    assert time.process_time() - start < 5
