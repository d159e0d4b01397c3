"""Nothing that pairs, files, models or options hold steers the terminal: it is shown escaped, whatever the verb."""

from __future__ import annotations

import ast
import json
import warnings
from pathlib import Path
from typing import Any

import pytest

import trimtab.cli
from tiny import tiny_model, tiny_tokenizer, vector_for
from trimtab.cli.main import VERBS, cli, main
from trimtab.cli.progress import shown_progress
from trimtab.cli.terminal import Styled, echo, echo_json, styled
from trimtab.cli.verbs import chat as chat_verb
from trimtab.engines import Model
from trimtab.inputs.characters import escaped
from trimtab.models import wrap
from trimtab.serve import Chat

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x1b]52;c;aGk=\x07\x9b31m\u202egnp\u2066\r\x08\x7f"
STEERING = set("\x1b\x07\x9b\u202e\u2066\r\x08\x7f")
PAIR = {"id": "one", "prompt": f"Q{HOSTILE}", "positive": f"yes{HOSTILE}", "negative": f"no{HOSTILE}"}


def written(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    assert not STEERING & set(out + err), repr(out + err)
    return out + err


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pairs_file(folder: Path, name: str = "pairs.jsonl", **changes: Any) -> Path:
    path = folder / name
    path.write_text(json.dumps({**PAIR, **changes}) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("verb", [["data", "show"], ["data", "check"], ["pairs", "review"]])
def test_what_pairs_hold_is_shown_escaped(verb: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*verb, str(pairs_file(folder))]) == 0
    shown = written(capsys)
    if verb[1] == "show":
        assert r"\x1b]0;owned\x07" in shown
        assert r"\u202egnp" in shown


def test_json_that_is_shown_says_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "show", "--json", str(pairs_file(folder))]) == 0
    assert json.loads(written(capsys)) == PAIR


@pytest.mark.parametrize("changes", [{HOSTILE: 1}, {"id": HOSTILE}, {"prompt": [{"role": HOSTILE, "content": "x"}]}])
def test_what_is_wrong_with_pairs_is_told_escaped(
    changes: dict[str, Any], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "check", str(pairs_file(folder, **changes))]) == 2
    written(capsys)


def test_ids_hold_no_control_characters(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(pairs_file(folder, id="a\x1bb"))]) == 2
    assert '"id" holds the control character U+001B' in written(capsys)


@pytest.mark.parametrize("verb", [name for name in VERBS if name not in ("monitor", "pairs", "data", "chat")])
def test_every_verb_that_refuses_what_was_typed_shows_it_escaped(
    verb: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([verb, f"--{HOSTILE}"]) == 2
    assert main([verb, f"no-such{HOSTILE}", "-o", f"x{HOSTILE}"]) == 2
    assert r"\x1b]0;owned" in written(capsys)


@pytest.mark.parametrize(
    "arguments",
    [
        [HOSTILE],
        ["sweep", "-b", HOSTILE, "--dry-run"],
        ["sweep", "-b", "cheerful", "-m", f"./{HOSTILE}", "--dry-run"],
        ["sweep", "-b", "cheerful", "--layers", HOSTILE],
        ["sweep", "-b", "cheerful", "--scale", HOSTILE],
        ["sweep", "-b", "cheerful", "--engine-option", f"{HOSTILE}=1"],
        ["tune", "-b", "cheerful", "--pattern", f"({HOSTILE}"],
        ["tune", "-b", "cheerful", "--judge", HOSTILE],
        ["tune", "-b", "cheerful", "--judge", "openai/x", "--price", HOSTILE],
        ["data", "show", f"{HOSTILE}.jsonl"],
        ["data", "check", f"{HOSTILE}.jsonl"],
        ["pairs", "review", f"{HOSTILE}.jsonl"],
        ["pairs", "strike", f"{HOSTILE}.jsonl", HOSTILE],
        ["pairs", "generate", "x", "-m", HOSTILE, "--length-ratio", HOSTILE],
        ["monitor", "score", HOSTILE, "--text", "x"],
        ["monitor", "score", "x", "--file", HOSTILE],
        ["chat", "-v", HOSTILE],
        ["chat", "--scale", HOSTILE, "--strength", "1", "-v", "x"],
    ],
)
def test_errors_quote_what_was_typed_escaped(
    arguments: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    written(capsys)


def test_names_of_files_are_shown_escaped(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = pairs_file(folder, f"p{HOSTILE}.jsonl", prompt="Q", positive="yes", negative="no")
    # A name that a chart and a table cannot show is refused, and the refusal does not act on the terminal either.
    assert main(["data", "check", str(path)]) == 2
    assert main(["data", "show", str(path)]) == 2
    assert r"\x1b" in written(capsys)


def test_a_study_file_of_that_kind_is_refused_escaped(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "s.yaml").write_text(json.dumps({"behaviors": ["cheerful"], HOSTILE: 1}), encoding="utf-8")
    assert main(["study", "s.yaml"]) == 2
    written(capsys)


def test_warnings_and_progress_are_shown_escaped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def warn(*_: Any, **__: Any) -> int:
        warnings.warn(f"careful{HOSTILE}", UserWarning, stacklevel=1)
        return 0

    monkeypatch.setattr(cli, "main", warn)
    main([])
    with shown_progress() as progress:
        progress(f"sweep [bold]{HOSTILE}[/nothing]", 0, 1)
        progress(f"sweep [bold]{HOSTILE}[/nothing]", 1, 1)
    shown = written(capsys)
    assert r"careful\x1b" in shown
    assert r"[bold]\x1b" in shown


def test_a_reply_is_streamed_escaped_and_remembered_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Model(wrap(tiny_model("llama"), tiny_tokenizer(), name="tiny"))
    pieces = [HOSTILE[:1], HOSTILE[1:5], HOSTILE[5:]]
    streamed = ((0, piece, piece is pieces[-1]) for piece in pieces)
    monkeypatch.setattr("trimtab.serve.chat._conversation.stream_texts", lambda *_: streamed)
    lines = iter(["Hello\n", f"/{HOSTILE}\n", f"/vector {HOSTILE}\n"])
    monkeypatch.setattr(chat_verb, "_line", lambda: next(lines, None))
    talk = Chat(model, vector_for(model.backbone))
    chat_verb._talk(talk, talk.settings)
    assert escaped("".join(pieces)) in written(capsys)
    assert talk.history[-1]["content"] == "".join(pieces).strip()


def test_colors_are_ours_and_only_ours(capsys: pytest.CaptureFixture[str]) -> None:
    piece = styled(f"a{HOSTILE}", fg="red")
    assert isinstance(piece, Styled)
    assert piece.count("\x1b") == 2  # on and off
    echo(piece + "x")  # joined to a plain text it is one, and its codes are shown
    echo_json({"a": "\U000e0041é"})
    assert r"\udb40\udc41é" in written(capsys)


@pytest.mark.parametrize("text", ["naïve – “quoted” 東京 عربي עברית", "नमस्ते", "👩‍👩‍👧", "a\tb\nc", "می‌خواهم"])
def test_what_people_write_is_shown_as_it_is(text: str) -> None:
    assert escaped(text) == text


def test_only_one_module_writes_to_the_terminal() -> None:
    folder = Path(trimtab.cli.__file__).parent
    found = []
    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            writes = called in ("print", "click.echo", "click.secho", "click.style") or called.endswith("stdout.write")
            if (writes and file.name != "terminal.py") or (
                called == "Console" and file.name not in ("terminal.py", "progress.py")
            ):
                found.append(f"{file.name}:{node.lineno}: {called}")
    assert not found, "write through trimtab.cli.terminal"
