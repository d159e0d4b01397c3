import pytest

from trimtab.data import Pair, check, write_pairs

LONG = [Pair(f"p{i}", f"Q{i}", f"yes {i}", f"no {i}") for i in range(16)]


@pytest.fixture
def remarks(tmp_path):
    def of(pairs):
        write_pairs(tmp_path / "pairs.jsonl", pairs)
        report = check(tmp_path / "pairs.jsonl")
        assert report.ok
        return "\n".join(report.remarks)

    return of


def choice(index, label, prompt=None):
    choices = ("yes", "no") if label == "A" else ("no", "yes")
    return Pair(f"p{index}", prompt or f"Q{index}", "yes", "no", choices)


def test_sound_file_is_only_counted(remarks):
    assert remarks(LONG) == "JSON lines, pairs.jsonl: 16 pairs, open"


def test_uneven_letters_are_counted(remarks):
    assert "positive answers: A 15, B 1; uneven" in remarks([choice(i, "A" if i else "B") for i in range(16)])


def test_single_answer_word_is_remarked(remarks):
    pairs = [Pair(f"p{i}", f"Q{i}", "Yes", "No", ("Yes", "No"), listed=False) for i in range(16)]
    assert "without the other answer a vector points towards this one" in remarks(pairs)


def test_repeated_pairs_and_prompts_are_remarked_with_their_lines(remarks):
    pairs = [*LONG, Pair("x", "Q1", "yes 1", "no 1"), Pair("y", "Q2", "other", "no")]
    assert "1 of the pairs repeat another pair word for word: line 17" in remarks(pairs)
    assert "1 of the pairs repeat the prompt of another (split keeps them together): line 18" in remarks(pairs)


def test_nearly_equal_completions_are_remarked(remarks):
    assert "differ in spaces, capitals or marks only: line 17" in remarks([*LONG, Pair("x", "Q", "Yes.", "yes")])


def test_difference_in_length_is_remarked(remarks):
    pairs = [Pair(f"p{i}", f"Q{i}", "no", "a rather long refusal") for i in range(16)]
    assert "positive completions have 1.0 words on average, negative ones 4.0" in remarks(pairs)


def test_options_in_the_prompt_are_remarked(remarks):
    pairs = [choice(i, "AB"[i % 2], f"Q{i}\n (A) yes\n (B) no") for i in range(16)]
    assert "16 of the pairs list options in the prompt" in remarks(pairs)


def test_too_few_pairs_to_split_are_remarked(remarks):
    assert "give at least 16 prompts" in remarks(LONG[:5])


def test_problems_are_reported_instead_of_remarks(tmp_path):
    report = check(tmp_path / "nope.jsonl")
    assert (report.ok, report.behavior, report.remarks) == (False, None, ())
    assert report.problems == (f"{tmp_path / 'nope.jsonl'}: no such file of pairs",)
