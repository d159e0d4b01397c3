"""YAML within limits: whatever says two things, or more than there is room for, is refused with its line."""

from __future__ import annotations

import pytest

from trimtab.errors import SettingError
from trimtab.inputs.yaml_text import parse_yaml

BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3", 3, "'a' is in line 1 already"),
        ("a:\n  b: 1\n  b: 2", 3, "'b' is in line 2 already"),
        ("a: {<<: {x: 1}, <<: {y: 2}}", 1, "already"),
        (BOMB, 5, "those behind aliases included"),
        ("x: &a\n- *a", 2, "contains itself"),
        ("- " * 1000 + "x", 1, "nested more than"),
        ("[" * 1000, 1, "nested more than"),
        ("x: 1\ny: 1e400", 2, "too large"),
        ("x: 1\ny: " + "9" * 5000, 2, "too large"),
        ("x: 1\ny: 0x" + "f" * 100, 2, "too large"),
        ('x: "\\ud83d"', 1, "half of a character"),
        ('x: "a\\0b"', 1, "control character"),
        ('x: "\\e[2J"', 1, "control character"),
        ("1: x", 1, "is not text"),
        ("true: x", 1, "is not text"),
        ("? [a]\n: b", 1, "a key must be a word"),
        ("x: !!python/object:os.system ls", 1, "tag"),
        ("x: !!int a", 1, "tag"),
        ("a: 1\n---\nb: 2", 2, "not YAML"),
        ("a: {b", 1, "not YAML"),
        ("a: *none", 1, "not YAML"),
        ("<<: [1]", 1, "not YAML"),
        ("a: 1\nb: \x07", 2, "not allow"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(SettingError) as caught:
        parse_yaml(text, "f.yaml")
    assert str(caught.value).startswith(f"f.yaml:{line}: ")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9:18", "9:18"),  # 558 in YAML 1.1
        ("1e-3", 0.001),  # text in YAML 1.1
        ("2024-01-01", "2024-01-01"),
        ("1_000", 1000),
        ("[yes, No, true]", [True, False, True]),
        ("~", None),
        ('"\\ud83d\\ude00"', "😀"),
        ("- &a {x: 1}\n- {<<: *a, y: 2}", [{"x": 1}, {"x": 1, "y": 2}]),
        ("'true'", "true"),
        ("", None),
    ],
)
def test_words_are_what_a_person_would_take_them_for(text: str, value: object) -> None:
    assert parse_yaml(text, "f.yaml")[0] == value


def test_every_key_has_its_line() -> None:
    _, lines = parse_yaml("a: 1\nb:\n- c: 2\n- d\n", "f.yaml")
    assert (lines["a",], lines["b",], lines["b", 0, "c"], lines["b", 1]) == (1, 2, 3, 4)
