"""Texts in pieces: what is shown never has a stop text in it, and all pieces together are the text up to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.serve.replies._text_cutter import TextCutter

letters = st.text("ab \n", max_size=24)


def shown(pieces: list[str], stops: list[str], trim: bool) -> list[str]:
    cutter = TextCutter(stops, trim=trim)
    return [*(cutter.add(piece) for piece in pieces), cutter.finish()]


def until(text: str, stops: list[str]) -> str:
    places = [text.find(stop) for stop in stops if stop in text]
    return text[: min(places)] if places else text


@given(letters, st.lists(st.text("ab \n", min_size=1, max_size=4), max_size=3), st.booleans(), st.data())
def test_pieces_together_are_the_text_up_to_the_first_stop(
    text: str, stops: list[str], trim: bool, data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    # The text ends with the piece that completes a stop text, as it does while a model writes.
    ends = [text[:cut] for cut in [*cuts, len(text)]]
    ended = next((begun for begun in ends if any(stop in begun for stop in stops)), text)
    wanted = until(ended, stops)
    assert "".join(shown(pieces, stops, trim)) == (wanted.strip() if trim else wanted)


def test_what_may_begin_a_stop_text_waits() -> None:
    assert shown(["a<", "|e", "nd", "|>b"], ["<|end|>"], False) == ["a", "", "", "", ""]
    assert shown(["a<", "|x"], ["<|end|>"], False) == ["a", "<|x", ""]
    assert shown(["a<"], ["<|end|>"], False) == ["a", "<"]


def test_space_at_the_ends_of_a_trimmed_text_is_never_shown() -> None:
    assert shown([" \n", "a ", " b", "  "], [], True) == ["", "a", "  b", "", ""]
    assert shown([" a "], [], False) == [" a ", ""]


@pytest.mark.parametrize("trim", [True, False])
def test_nothing_follows_a_stop_text(trim: bool) -> None:
    cutter = TextCutter(["END"], trim=trim)
    assert cutter.add("one END two") in ("one ", "one")
    assert cutter.stopped
    assert cutter.add("three") == ""
    assert cutter.finish() == ""


def test_space_at_the_beginning_of_a_continuation_stays() -> None:
    cutter = TextCutter((), trim=True, continues=True)
    assert "".join([cutter.add(" "), cutter.add("France"), cutter.add(" \n"), cutter.finish()]) == " France"
