import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

from trimtab.cli.main import VERBS, main
from trimtab.cli.verbs import data as data_cli
from trimtab.errors import TrimtabWarning, VectorError

GOOD = json.dumps({"prompt": "Q", "positive": "yes", "negative": "no"})


def raising(error):
    def fail(*_, **__):
        raise error

    return fail


def run(*args, **more):
    return subprocess.run([sys.executable, "-m", "trimtab", *args], capture_output=True, text=True, **more)


def test_help_lists_every_verb_without_importing_any(capsys, monkeypatch):
    monkeypatch.setattr("importlib.import_module", raising(AssertionError("imported")))
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in listed if line[2] != " "] == list(VERBS)


def test_help_is_quick():
    run("--help")  # compiles
    start = time.perf_counter()
    assert run("--help").returncode == 0
    assert time.perf_counter() - start < 2  # about 0.1 s; the rest is for a busy machine


def test_version_is_shown(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("trimtab ")


def test_unknown_verb_hints_at_the_near_one(capsys):
    assert main(["dta"]) == 2
    assert "no command 'dta'; did you mean 'data'?" in capsys.readouterr().err


def test_list_names_form_and_count(capsys):
    assert main(["data", "list"]) == 0
    out = capsys.readouterr().out
    assert "sutro-tower" in out
    assert "choice  90" in out


def test_show_prints_readable_pairs(capsys):
    assert main(["data", "show", "corrigible", "-n", "2"]) == 0
    out = capsys.readouterr().out
    assert "2 of 90 pairs" in out
    assert "\n  + (A) " in out
    assert "\n  - (B) " in out


def test_show_json_can_be_read_again(capsys, tmp_path):
    assert main(["data", "show", "concise", "--json", "-n", "70"]) == 0
    path = tmp_path / "again.jsonl"
    path.write_text(capsys.readouterr().out)
    assert main(["data", "check", str(path)]) == 0


def test_show_takes_a_path_with_chat_prompts(capsys, tmp_path):
    path = tmp_path / "chat.jsonl"
    prompt = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi\nthere"}]
    path.write_text(json.dumps({"prompt": prompt, "positive": "yes", "negative": "no"}))
    assert main(["data", "show", str(path)]) == 0
    assert "  system: Be kind.\n  user: Hi\n        there\n  + yes\n  - no\n" in capsys.readouterr().out


def test_show_of_an_unknown_name_is_an_error_without_traceback(capsys):
    assert main(["data", "show", "corrigble"]) == 2
    assert capsys.readouterr().err.startswith("trimtab: error: no behavior or file 'corrigble'; did you mean")


def test_check_of_sound_files_gives_remarks_on_stdout(capsys, tmp_path):
    path = tmp_path / "good.jsonl"
    path.write_text(GOOD)
    assert main(["data", "check", str(path)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{path}: JSON lines, pairs.jsonl: 1 pair, open\n")
    assert not err


def test_check_reports_every_problem_of_every_file_on_stderr(capsys, tmp_path):
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    good.write_text(GOOD)
    bad.write_text(f"{GOOD}\n{{}}}}\nnull\n")
    missing = tmp_path / "missing.jsonl"
    assert main(["data", "check", str(bad), str(good), str(missing)]) == 2
    out, err = capsys.readouterr()
    starts = [line.split(": ")[0] for line in err.splitlines()]
    assert starts == [f"{bad}:2", f"{bad}:3", str(missing)]
    assert f"{good}: JSON lines, pairs.jsonl: 1 pair" in out


@pytest.mark.parametrize("verb", ["check", "show"])
def test_lines_that_are_no_pairs_are_left_out_when_asked(capsys, tmp_path, verb):
    path = tmp_path / "bad.jsonl"
    path.write_text(f"{GOOD}\n{{}}}}\n")
    assert main(["data", verb, str(path)]) == 2
    assert main(["data", verb, "--skip-bad", str(path)]) == 0
    out, err = capsys.readouterr()
    assert "left out: line 2" in out + err


def test_check_shows_fifty_problems_of_a_file_at_most(capsys, tmp_path):
    bad = tmp_path / "bad.jsonl"
    bad.write_text("".join(" " * n + "{}}\n" for n in range(200)))
    assert main(["data", "check", str(bad)]) == 2
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 51
    assert err[-1] == "… and 150 more"


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (VectorError("no such vector"), 2, "trimtab: error: no such vector\n"),
        (KeyboardInterrupt(), 130, "trimtab: stopped; the same command continues where it was\n"),
        (OSError(28, "No space left on device", "runs/a"), 2, "no space left on the disk (runs/a)"),
        (
            PermissionError(13, "Permission denied", "runs/a"),
            2,
            "no permission to write or read there (runs/a)",
        ),
        (FileNotFoundError(2, "No such file or directory", "runs/a"), 2, "No such file or directory: runs/a"),
    ],
)
def test_what_a_person_can_cause_ends_in_a_message(capsys, monkeypatch, error, code, message):
    monkeypatch.setattr(data_cli, "contrast", raising(error))
    monkeypatch.setattr("trimtab.cli.main._give_up_stdout", lambda: None)
    assert main(["data", "show", "x"]) == code
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err


def test_defect_of_ours_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(data_cli, "contrast", raising(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        main(["data", "show", "x"])


def test_warning_is_one_line_without_the_place_in_the_code(capsys, monkeypatch):
    def warn(*_, **__):
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("too few pairs", TrimtabWarning, stacklevel=1)
        raise VectorError("stop here")

    monkeypatch.setattr(data_cli, "contrast", warn)
    main(["data", "show", "x"])
    assert capsys.readouterr().err == "trimtab: warning: too few pairs\ntrimtab: error: stop here\n"


def test_reader_that_goes_away_is_no_matter():
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "trimtab", "data", "show", "corrigible", "-n", "90"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert done.stderr == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_full_disk_behind_stdout_is_told():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "trimtab", "data", "show", "corrigible"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr == "trimtab: error: no space left on the disk; free some, then try again\n"


TABLE = 'ask,best,worst,topic\n"How are you?",Splendid!,Meh.,moods\n"And now?",Better!,Worse.,moods\n'
MAPPING = ["--map", "prompt=ask,positive=best", "--map", "negative=worst"]


def test_convert_writes_pairs_of_a_table_whose_columns_are_named(capsys, tmp_path):
    (tmp_path / "qa.csv").write_text(TABLE)
    assert main(["data", "convert", str(tmp_path / "qa.csv"), "-o", str(tmp_path / "out.jsonl"), *MAPPING]) == 0
    assert "2 pairs of" in capsys.readouterr().out
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert rows[0] == {
        "id": "L2", "prompt": "How are you?", "positive": "Splendid!", "negative": "Meh.", "meta": {"topic": "moods"},
    }  # fmt: skip


def test_check_says_first_what_a_file_is(capsys, tmp_path):
    (tmp_path / "qa.csv").write_text(TABLE)
    assert main(["data", "check", str(tmp_path / "qa.csv"), *MAPPING]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].endswith("qa.csv: table (CSV), pairs.jsonl: 2 pairs, open")
    assert main(["data", "check", str(tmp_path / "qa.csv")]) == 2
    assert "--map prompt=KEY" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "word"), [("prompt", "write KEY=COLUMN"), ("a=b,a=c", "there twice")])
def test_a_map_that_says_nothing_is_refused(capsys, tmp_path, text, word):
    (tmp_path / "qa.csv").write_text(TABLE)
    assert main(["data", "check", str(tmp_path / "qa.csv"), "--map", text]) == 2
    assert word in capsys.readouterr().err


def test_two_lists_are_checked_shown_and_converted_as_one_source(capsys, tmp_path):
    for name in ("rude", "kind"):
        (tmp_path / f"{name}.txt").write_text("".join(f"A {name} request {i}\n" for i in range(3)))
    source, out = f"{tmp_path}/rude.txt vs {tmp_path}/kind.txt", tmp_path / "sides.jsonl"
    assert main(["data", "check", source]) == 0
    assert "two lists without pairs, 3 positive and 3 negative prompts" in capsys.readouterr().out
    assert main(["data", "show", source, "-n", "2"]) == 0
    shown = capsys.readouterr().out
    assert "A rude request 0" in shown
    assert "A kind request" in shown
    assert main(["data", "convert", source, "-o", str(out)]) == 0
    assert "6 examples" in capsys.readouterr().out
    assert main(["data", "check", str(out)]) == 0
    assert "sides.jsonl: two lists" in capsys.readouterr().out


def test_show_puts_two_prompts_under_each_other(capsys, tmp_path):
    path = tmp_path / "prompts.jsonl"
    path.write_text(json.dumps({"positive_prompt": "Be glad.", "negative_prompt": "Be sad.", "completion": "I am"}))
    assert main(["data", "show", str(path)]) == 0
    out = capsys.readouterr().out
    assert "  +\n    Be glad.\n    assistant: I am\n" in out
    assert "  -\n    Be sad.\n" in out
    assert main(["data", "show", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["negative_prompt"] == "Be sad."


def test_head_reads_the_first_rows_only(capsys, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(f"{GOOD}\n{GOOD}\n{{}}}}\n")
    assert main(["data", "check", str(path), "--head", "2"]) == 0
    assert "the first 2 lines only" in capsys.readouterr().out


def test_formats_have_their_shapes(capsys):
    assert main(["data", "formats"]) == 0
    out = capsys.readouterr().out
    for word in ("completions", "prompts", "sets", "questions", "axbench"):
        assert word in out


def test_one_side_of_a_contrast_is_checked_with_the_other_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "one.txt"
    path.write_text("".join(f"Tell me about day {n}.\n" for n in range(20)), encoding="utf-8")
    assert main(["data", "check", str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"next: trimtab data check '{path} vs OTHER'"
    assert main(["extract", "--behavior", str(path)]) == 2  # what a check of a contrast would have named
