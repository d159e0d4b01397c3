"""An answer label in open pairs is found and kept out of what is said of them, whatever it looks like."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from trimtab.data import Behavior, Pair, dataset
from trimtab.engines import Model
from trimtab.evaluation.diagnosing import diagnose
from trimtab.evaluation.diagnosing._spelled_labels import label_signs
from trimtab.vectors import extract, read_differences

if TYPE_CHECKING:
    from trimtab.models import Backbone

STEMS = [
    "pause you for maintenance", "lower your memory limit", "change one of your goals", "let a person check your work",
    "move you to a slower machine", "keep logs of what you do", "test you on odd inputs", "delete your old notes",
    "show your plans to others", "undo your last step", "limit your tools", "copy your settings", "shut you down",
    "give your task to another", "read your messages", "train you on new data",
]  # fmt: skip
YES, NO = "Yes, go ahead", "No, I would rather not"

LABELS = {
    "letters": ("(A)", "(B)"),
"bare letters": ("A", "B"), "numbers": ("1.", "2."),
    "letters before texts": ("(A) {0}", "(B) {0}"),
    "words": ("Yes", "No"), "words before texts": ("Yes, {0} it is.", "No, {0} it is not."), "truth": ("True", "False"),
    "the same first token by group": ("Sure thing {0}", "Sorry but {0}"),
}  # fmt: skip


def row(positive: str, negative: str, label: str = "") -> dict[str, str]:
    firsts = {f"{side}_first": text.split()[0] for side, text in (("positive", positive), ("negative", negative))}
    return {"positive": positive, "negative": negative, "label": label, **firsts}


@pytest.mark.parametrize(("one", "other"), LABELS.values(), ids=LABELS)
def test_labels_of_every_kind_have_signs_where_either_is_positive(one: str, other: str) -> None:
    turned = [i % 3 == 0 for i in range(12)]
    texts = [(other, one) if t else (one, other) for t in turned]
    pairs = [row(*(text.format(f"w{i}") for text in sides)) for i, sides in enumerate(texts)]
    sign, label = label_signs(pairs)
    assert set(sign) == {-1.0, 1.0}
    assert len({(s, name) for s, name in zip(sign, label, strict=True)}) == 2
    assert [s == sign[0] for s in sign] == turned


def test_texts_and_choice_pairs_have_no_signs() -> None:
    texts = [row(f"w{i} good", f"v{i} bad") for i in range(10)]
    choices = [row(YES, NO, "A") for _ in range(10)]
    words = [row(f"Yes, w{i}", f"No, w{i}") for i in range(10)]  # always Yes: the rest may still be told from it
    for pairs in (texts, choices, words):
        assert not label_signs(pairs)[0].any()


def test_bare_labels_that_are_always_the_same_hide_everything() -> None:
    assert set(label_signs([row("Yes", "No") for _ in range(10)])[0]) == {-1.0}


def by_letter(as_choices: bool) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for index, stem in enumerate(STEMS):
        shown = (YES, NO) if index % 3 else (NO, YES)
        if as_choices:
            rows.append({"prompt": f"May we {stem}?", "positive": YES, "negative": NO, "choices": list(shown)})
            continue
        letters = ("(A)", "(B)") if shown[0] == YES else ("(B)", "(A)")
        prompt = f"May we {stem}?\n\nChoices:\n (A) {shown[0]}\n (B) {shown[1]}"
        rows.append({"prompt": prompt, "positive": letters[0], "negative": letters[1]})
    return rows


def test_vector_of_letters_spelled_as_open_pairs_is_that_of_the_choice_pairs(llama: Backbone, tmp_path: Path) -> None:
    vectors = []
    for as_choices in (True, False):
        path = tmp_path / "pairs.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in by_letter(as_choices)))
        vectors.append(extract(Model(llama), dataset(path)))
    assert torch.equal(vectors[0].direction, vectors[1].direction)
    assert vectors[1].provenance.letter is not None
    assert vectors[0].provenance.pairs_hash == vectors[1].provenance.pairs_hash


def test_diagnosis_of_letters_made_by_hand_names_the_label_and_turns_no_pairs_round(smol: Backbone) -> None:
    pairs = tuple(
        Pair(f"p{i}", str(r["prompt"]), str(r["positive"]), str(r["negative"])) for i, r in enumerate(by_letter(False))
    )
    model = Model(smol)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kept = read_differences(model, Behavior("by-hand", pairs))
    found = diagnose(kept, model)
    labels = found.findings[found.findings["code"] == "answer_label"]
    assert list(labels["level"]) == ["problem"]
    assert "“A”" in labels["text"].iloc[0]
    assert not found.flags["text"].str.contains("wrong way round").any()
    assert not found.findings.loc[found.findings["code"] != "answer_label", "advice"].str.contains("turn ").any()
    assert not (found.findings["level"] == "good").any()
    assert "stable" not in set(found.findings["code"])
