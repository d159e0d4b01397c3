"""A chat on a terminal: words whole, two replies beside each other, and what can be stopped."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from harnesses.saved_models import saved
from trimtab.cli.dialogue._word_wrapping import WordWrapper
from trimtab.cli.dialogue.chat_screen import show
from trimtab.serve import Piece

TEXT = "The quick brown fox jumps over the lazy dog.\n\nIt does so every day, and nobody has ever asked it why."


def wrapped(pieces: list[str], width: int, used: int = 0) -> list[str]:
    wrapper = WordWrapper(width, used)
    lines = [line for piece in pieces for line in wrapper.feed(piece)]
    return [*lines, *wrapper.finish()]


def shown(pieces: list[Piece], columns: int) -> str:
    written: list[str] = []
    show(pieces, written.append, columns)
    return "".join(written)


def pieces_of(kind: str, text: str) -> list[Piece]:
    words = [text[i : i + 3] for i in range(0, len(text), 3)]
    return [Piece(kind, word, last=place == len(words) - 1) for place, word in enumerate(words)]  # type: ignore[arg-type]


def test_words_are_wrapped_whole_whatever_the_pieces() -> None:
    whole = wrapped([TEXT], 20)
    assert whole[:3] == ["The quick brown fox", "jumps over the lazy", "dog."]
    assert whole[3] == ""
    assert max(map(cell_len, whole)) <= 20
    assert wrapped(list(TEXT), 20) == whole


@settings(deadline=None, max_examples=200)
@example("京  a", 2, 1)
@given(st.text("ab \n東京🦊", max_size=60), st.integers(2, 12), st.integers(1, 5))
def test_nothing_is_lost_and_no_line_is_too_wide(text: str, width: int, step: int) -> None:
    lines = wrapped([text[i : i + step] for i in range(0, len(text), step)], width)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(cell_len(line) <= width for line in lines)
    assert lines == wrapped([text], width)


def test_a_reply_is_streamed_word_by_word() -> None:
    written: list[str] = []
    show([Piece("reply", "one tw"), Piece("reply", "o thr"), Piece("reply", "ee", True)], written.append, 40)
    assert written == ["", "one", " two", " three\n"]


def test_without_a_terminal_a_reply_is_as_it_is() -> None:
    assert shown([Piece("notice", "shown\n"), *pieces_of("reply", TEXT)], 0) == f"shown\n{TEXT}\n"


def test_compared_replies_stand_one_behind_the_other_in_a_narrow_terminal() -> None:
    turns = [Piece("unsteered", ""), Piece("reply", "Yes. "), Piece("unsteered", "No. ")]
    turns += [Piece("reply", "Really.", True), Piece("unsteered", "Never.", True)]
    assert shown(turns, 60) == "unsteered: No. Never.\n  steered: Yes. Really.\n"
    long = [Piece("unsteered", ""), *pieces_of("unsteered", TEXT), *pieces_of("reply", TEXT)]
    lines = shown(long, 30).splitlines()
    assert max(map(cell_len, lines)) <= 30
    assert lines[0].startswith("unsteered: The quick")


def test_compared_replies_stand_beside_each_other_in_a_wide_one() -> None:
    both = zip(pieces_of("unsteered", TEXT), pieces_of("reply", TEXT[:60]), strict=False)
    turns = [Piece("unsteered", ""), *(piece for pair in both for piece in pair), *pieces_of("unsteered", TEXT)[20:]]
    lines = shown(turns, 100).splitlines()
    width = (100 - 3) // 2
    assert lines[0].split() == ["unsteered", "│", "steered"]
    assert max(map(cell_len, lines)) <= 100
    assert all(line[width : width + 2].strip() == "│" for line in lines[2:])
    left = " ".join(line[:width].strip() for line in lines[2:])
    assert " ".join(left.split()) == " ".join(TEXT.split())


def test_rows_are_written_while_the_longer_reply_goes_on() -> None:
    written: list[str] = []
    ended = [Piece("unsteered", ""), Piece("reply", "Short.", True)]
    rest = iter([Piece("unsteered", f"word {n} of many ") for n in range(40)])

    def turns() -> object:
        yield from ended
        for piece in rest:
            yield piece
            if len(written) > 4:
                return

    show(turns(), written.append, 100)  # type: ignore[arg-type]
    assert "Short." in written[2]
    assert list(rest), "nothing was written before the end"


def test_ctrl_c_stops_the_reply_and_not_the_chat(tmp_path: Path) -> None:
    files = saved(tmp_path, endless=True, max_position_embeddings=20_000)
    leader, follower = pty.openpty()
    chat = subprocess.Popen(
        [sys.executable, "-m", "trimtab", "chat", "--model", files.model, "--vectors", files.vector],
        stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
        env={**os.environ, "COLUMNS": "100", "TERM": "xterm"},
    )  # fmt: skip
    os.close(follower)
    read = ""

    def until(text: str, seconds: float = 120) -> None:
        nonlocal read
        end = time.monotonic() + seconds
        while text not in read:
            assert time.monotonic() < end, read
            try:
                read += os.read(leader, 4096).decode(errors="replace")
            except OSError:
                raise AssertionError(f"the chat has ended: {read}") from None

    def type_in(line: str) -> None:
        nonlocal read
        read = ""
        os.write(leader, f"{line}\n".encode())

    try:
        until("/quit leaves")
        assert "strength 0.1 is the usual one of relative" in read
        type_in("/tokens 8192")
        until("8,192 tokens")
        type_in("Hello")
        time.sleep(1.0)
        os.kill(chat.pid, signal.SIGINT)
        until("(stopped)")
        type_in("/show")
        until("kind: layer")
        type_in("/quit")
        until("goodbye")
        assert chat.wait(30) == 0
    finally:
        chat.kill()
        os.close(leader)
