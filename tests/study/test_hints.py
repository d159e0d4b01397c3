"""A hint at another name is given only where it is the one that is meant."""

from __future__ import annotations

import pytest

from trimtab._util.suggest import nearest_word
from trimtab.errors import SettingError
from trimtab.study import make_study

MEANT = {
    ("strenghts", "study"): "strengths", ("layer", "study"): "layers", ("Model", "study"): "models",
    ("max_tokens", "replies"): "max_new_tokens", ("judge", "replies"): "judges",
    ("limit", "study"): "", ("token", "study"): "", ("vectors", "study"): "", ("system_prompt", "study"): "",
    ("system_prompt", "replies"): "", ("prompt", "behavior"): "", ("split", "behavior"): "", ("system", "replies"): "",
}  # fmt: skip


@pytest.mark.parametrize(("where", "meant"), MEANT.items(), ids=[f"{key} of {owner}" for key, owner in MEANT])
def test_unknown_key_of_a_study_is_advised_only_where_the_advice_is_right(where: tuple[str, str], meant: str) -> None:
    key, owner = where
    content: dict[str, object] = {"behaviors": ["cheerful"]}
    if owner == "study":
        content[key] = 1
    elif owner == "behavior":
        content["behaviors"] = [{"source": "cheerful", key: 1}]
    else:
        content[owner] = {key: 1}
    with pytest.raises(SettingError) as caught:
        make_study(content)
    told = str(caught.value)
    assert repr(key) in told
    assert ("did you mean" in told) == bool(meant)
    assert f"did you mean {meant!r}" in told or not meant


def test_words_of_other_cases_and_lengths_are_compared_as_people_read_them() -> None:
    assert nearest_word("CHEERFULL", ["cheerful", "concise"]) == "cheerful"
    assert nearest_word("user_prompt", ["prompt"]) == ""
    assert nearest_word("prompt_ids", ["prompt_id"]) == "prompt_id"
