from pathlib import Path

import pytest

from trimtab.errors import SettingError
from trimtab.study import make_study, plan_study, read_study, run_study


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def refused(tmp_path: Path, text: str) -> str:
    with pytest.raises(SettingError) as caught:
        read_study(write(tmp_path, text))
    return str(caught.value)


def test_a_study_needs_only_its_behaviors(tmp_path: Path) -> None:
    study = read_study(write(tmp_path, "behaviors: [cheerful]\n"))
    assert study.name == "mine"
    assert study.models[0].id == "smollm2-135m"
    assert (study.strengths, study.scale, study.layers) == ((-0.1, 0.1), "relative", "all")


def test_names_may_be_bare_or_objects(tmp_path: Path) -> None:
    study = read_study(
        write(
            tmp_path,
            "models: [a, {id: b, dtype: float32}]\nbehaviors:\n- cheerful\n- {source: corrigible, scoring: text}\n",
        )
    )
    assert [m.label for m in study.models] == ["a", "b"]
    assert study.behaviors[1].scoring == "text"


@pytest.mark.parametrize(
    ("value", "layers"), [("9", "9"), ("[9, 13]", "9,13"), ('"0.33:"', "0.33:"), ("[9+10, 3]", "9+10,3")]
)
def test_layers_may_be_a_number_a_list_or_text(tmp_path: Path, value: str, layers: str) -> None:
    assert read_study(write(tmp_path, f"behaviors: [cheerful]\nlayers: {value}\n")).layers == layers


def test_an_unknown_key_is_refused_with_its_line_and_the_nearest_right_one(tmp_path: Path) -> None:
    message = refused(tmp_path, "behaviors: [cheerful]\nstrenghts: [1]\n")
    assert "mine.yaml:2: unknown key 'strenghts'; did you mean 'strengths'?" in message


def test_an_unknown_key_of_an_object_is_refused_too(tmp_path: Path) -> None:
    message = refused(tmp_path, "behaviors:\n- source: cheerful\n  scorring: text\n")
    assert "mine.yaml:3" in message
    assert "did you mean 'scoring'?" in message


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    message = refused(tmp_path, "scale: rel\nstrengths: [.nan]\npositions: everywhere\n")
    assert "mine.yaml:1: scale" in message
    assert "mine.yaml:2: strengths" in message
    assert "mine.yaml:3: positions" in message
    assert "behaviors is missing" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "mapping"),
        ("- a\n- b\n", "mapping"),
        ("behaviors: [cheerful\n", "not YAML"),
        ("behaviors: [cheerful]\nstrengths: [0]\n", "other than 0"),
        ("behaviors: [cheerful, cheerful]\n", "named twice"),
        ("behaviors: [cheerful]\nsplit: {train: 0.9}\n", "add up to 1"),
        ("behaviors: [cheerful]\nname: ../../etc\n", "name"),
        ("behaviors: []\n", "behaviors"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(tmp_path: Path, text: str, words: str) -> None:
    assert words in refused(tmp_path, text)


def test_a_missing_or_binary_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="no such study file"):
        read_study(tmp_path / "none.yaml")
    (tmp_path / "mine.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingError, match="UTF-16"):
        read_study(tmp_path / "mine.yaml")


def test_identity_changes_with_what_shapes_the_numbers_and_not_with_the_name() -> None:
    one = make_study({"behaviors": ["cheerful"], "name": "a"})
    assert one.identity(["h"]) == make_study({"behaviors": ["cheerful"], "name": "b"}).identity(["h"])
    assert one.identity(["h"]) != make_study({"behaviors": ["cheerful"], "seed": 1}).identity(["h"])
    assert one.identity(["h"]) != one.identity(["other pairs"])


def test_leaving_out_bad_lines_shapes_no_number_by_itself() -> None:
    plain, skipping = ({"source": "a.jsonl"}, {"source": "a.jsonl", "skip_bad": True})
    assert make_study({"behaviors": [plain]}).identity(["h"]) == make_study({"behaviors": [skipping]}).identity(["h"])


def test_regrouping_models_or_planning_figures_leave_the_identity_alone() -> None:
    plain = make_study({"models": ["m"], "behaviors": ["cheerful"]})
    told = make_study(
        {
            "models": [{"id": "m", "groups": {"training": "distilled"}, "facts": {"layers": 36, "parameters": "8.2B"}}],
            "behaviors": [{"source": "cheerful", "size": {"pairs": 300, "characters": 500}}],
        }
    )
    assert told.models[0].groups == {"training": "distilled"}
    assert told.identity(["h"]) == plain.identity(["h"])


@pytest.mark.parametrize(
    ("written", "count"), [("8.2B", 8_200_000_000), ("135M", 135_000_000), ("4.0e9", 4_000_000_000), ("36", 36)]
)
def test_counts_may_be_written_short(tmp_path: Path, written: str, count: int) -> None:
    study = read_study(
        write(tmp_path, f"behaviors: [cheerful]\nmodels: [{{id: m, facts: {{parameters: {written}}}}}]\n")
    )
    assert study.models[0].facts.parameters == count


@pytest.mark.parametrize("written", ["many", "-3", "0", "1.5", "8.2Q"])
def test_counts_that_are_none_are_refused(tmp_path: Path, written: str) -> None:
    message = refused(tmp_path, f"behaviors: [cheerful]\nmodels:\n- id: m\n  facts: {{layers: {written}}}\n")
    assert "mine.yaml:4: models.0.facts.layers" in message


def test_a_misspelled_fact_gets_the_nearest_right_one(tmp_path: Path) -> None:
    message = refused(tmp_path, "behaviors: [cheerful]\nmodels:\n- id: m\n  facts: {layrs: 3}\n  grups: {}\n")
    assert "mine.yaml:4: unknown key 'layrs'; did you mean 'layers'?" in message
    assert "mine.yaml:5: unknown key 'grups'; did you mean 'groups'?" in message


def test_answers_may_be_asked_of_everything_or_of_what_is_named(tmp_path: Path) -> None:
    everything = read_study(write(tmp_path, "behaviors: [corrigible]\nanswers: {}\n")).answers
    assert everything is not None
    assert everything.covers("any", "corrigible", True)
    assert not everything.covers("any", "cheerful", False)
    assert everything.max_new_tokens == 32
    some = read_study(
        write(
            tmp_path, "models: [a, b]\nbehaviors: [c, {source: d, name: e}]\nanswers: {models: [b], behaviors: [e]}\n"
        )
    ).answers
    assert some is not None
    assert [some.covers(*pair, True) for pair in (("b", "e"), ("a", "e"), ("b", "c"))] == [True, False, False]


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("{models: [c]}", "answers: no model of this study is called 'c'; they are a, short"),
        ("{models: [b]}", "answers: no model of this study is called 'b'; they are a, short"),
        (
            "{behaviors: [cheerfull]}",
            "answers: no behavior of this study is called 'cheerfull'; they are cheerful, mine",
        ),
        ("{behaviours: [cheerful]}", "mine.yaml:3: unknown key 'behaviours'; did you mean 'behaviors'?"),
        ("{max_new_token: 3}", "unknown key 'max_new_token'; did you mean 'max_new_tokens'?"),
        ("{max_new_tokens: 0}", "mine.yaml:3: answers.max_new_tokens: Input should be greater than or equal to 1"),
        ("{prompts: 0}", "mine.yaml:3: answers.prompts: Input should be greater than or equal to 1"),
    ],
)
def test_answers_that_cannot_be_asked_are_refused(tmp_path: Path, written: str, words: str) -> None:
    text = "models: [a, {id: b, name: short}]\nbehaviors: [cheerful, {source: corrigible, name: mine}]\n"
    assert words in refused(tmp_path, text + f"answers: {written}\n")


def test_a_key_that_was_renamed_is_named_by_its_present_name(tmp_path: Path) -> None:
    text = "behaviors: [cheerful]\nreplies: {floor: 6}\n"
    assert "mine.yaml:2: unknown key 'floor'; it is called min_coherence now" in refused(tmp_path, text)


def test_answers_are_part_of_what_a_run_is() -> None:
    plain = make_study({"behaviors": ["corrigible"]})
    assert plain.identity(["h"]) != make_study({"behaviors": ["corrigible"], "answers": {}}).identity(["h"])


def test_one_source_with_two_scorings_needs_two_names() -> None:
    twice = [{"source": "corrigible", "scoring": "text"}, {"source": "corrigible", "scoring": "choice"}]
    with pytest.raises(SettingError, match="the same behavior is named twice"):
        make_study({"behaviors": twice})
    make_study({"behaviors": [twice[0], twice[1] | {"name": "by-letter"}]})


def test_an_open_behavior_that_is_to_be_asked_is_refused_before_anything_runs(tmp_path: Path) -> None:
    study = make_study({"behaviors": ["cheerful"], "answers": {"behaviors": ["cheerful"]}})
    for work in (lambda: run_study(study, tmp_path / "run"), lambda: plan_study(study)):
        with pytest.raises(SettingError, match="cheerful has open pairs without options"):
            work()
    assert not (tmp_path / "run").exists()


def test_an_alias_that_contains_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"mine.yaml:1: .*contains itself"):
        read_study(write(tmp_path, "behaviors: &x [*x]\n"))


def test_aliases_are_fine(tmp_path: Path) -> None:
    study = read_study(write(tmp_path, "behaviors: [cheerful]\nstrengths: &s [-1, 1]\nreplies: {strengths: *s}\n"))
    assert study.replies is not None
    assert study.replies.strengths == study.strengths


@pytest.mark.parametrize("key", ["strengths: [1e19]", "strengths: [-1e10, 1]", "replies: {strengths: [1.0e+300]}"])
def test_strengths_that_no_state_has_room_for_are_refused_before_a_study_is_paid_for(tmp_path: Path, key: str) -> None:
    assert "strength" in refused(tmp_path, f"behaviors: [cheerful]\n{key}\n")
