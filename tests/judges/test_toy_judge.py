"""A judge that another package registers is a judge like those that come with trimtab."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from judges.toy import SUMMARY, BrevityJudge, BrevitySettings
from study.conftest import Run, runner, settings, table
from trimtab.data import BUILT_INS, Behavior
from trimtab.errors import RunError, SettingError, TrimtabWarning
from trimtab.judges import JUDGES, parse_judge
from trimtab.models import Backbone
from trimtab.study import RunFolder, make_study, plan_study
from trimtab.study.measures.replies.judging import panel_for
from trimtab.study.measures.replies.settings import Replies

TOY = {"brevity": 3}


@pytest.fixture
def toy() -> Iterator[None]:
    with JUDGES.temporarily("brevity", "judges.toy:BrevitySettings", SUMMARY):
        yield


@pytest.fixture
def run(llama: Backbone, monkeypatch: pytest.MonkeyPatch) -> Run:
    return runner(llama, monkeypatch)


def test_it_judges_the_replies_of_a_run(toy: None, run: Run, tmp_path: Path) -> None:
    asked: list[str] = []

    def approve(cost: str) -> bool:
        asked.append(cost)
        return True

    folder = run(settings(judges=[TOY]), tmp_path / "run", approve=approve)
    judgements, replies = table(folder, "judgements"), table(folder, "replies")
    steered = replies[replies["strength"] != 0].reset_index(drop=True)
    assert set(judgements["judge"]) == {"word counter"}
    assert judgements["score"].tolist() == [10.0 * (len(text.split()) < 3) for text in steered["reply"]]
    (entry,) = RunFolder(folder).manifest().judges
    assert (entry.kind, entry.accuracy, entry.declined) == ("word counter", 0.875, "")
    assert asked
    assert "of word counter" in asked[0]


def test_its_cost_stands_in_the_plan(toy: None) -> None:
    plan = plan_study(make_study(settings(judges=[TOY])))
    assert "judging: at most" in plan.text()
    assert "calls of word counter" in plan.text()


def test_a_changed_shaping_field_is_another_judge_and_a_changed_price_is_not(
    toy: None, run: Run, tmp_path: Path
) -> None:
    folder = run(settings(judges=[TOY]), tmp_path / "run")
    run(settings(judges=[{**TOY, "price": 2}]), folder)
    with pytest.raises(RunError, match="word counter"):
        run(settings(judges=[{"brevity": 4}]), folder)


def test_where_it_declines_another_judges(toy: None, run: Run, tmp_path: Path) -> None:
    pattern = {"pattern": "a"}
    content = settings(judges=[TOY, pattern]) | {"behaviors": [{"source": "cheerful", "limit": 16}]}
    with pytest.warns(TrimtabWarning, match="its length shows nothing"):
        folder = run(content, tmp_path / "run")
    assert set(table(folder, "judgements")["judge"]) == {"pattern a"}


def test_its_fingerprint_is_its_own(toy: None) -> None:
    behavior = BUILT_INS["concise"].load()
    fingerprints = {parse_judge(judge).fingerprint(behavior) for judge in (TOY, {"pattern": "3"}, "classifier")}
    assert len(fingerprints) == 3
    assert parse_judge(TOY).fingerprint(behavior) != parse_judge(TOY).fingerprint(BUILT_INS["permissive"].load())


def test_mistakes_in_its_settings_name_its_keys(toy: None) -> None:
    with pytest.raises(SettingError, match=r"judges\.0\.brevity"):
        make_study(settings(judges=[{"brevity": -1}]))
    with pytest.raises(SettingError, match="brevit'; did you mean 'brevity'"):
        make_study(settings(judges=[{"brevit": 3}]))
    with pytest.raises(SettingError, match="base_url"):
        make_study(settings(judges=[{**TOY, "base_url": "http://127.0.0.1/v1"}]))


def test_a_field_that_is_not_marked_is_refused_when_the_class_is_made() -> None:
    with pytest.raises(TypeError, match=r"Forgetful\.words"):

        class Forgetful(BrevitySettings):
            words: int = 3


class NamelessSettings(BrevitySettings):
    def build(self, behavior: Behavior) -> BrevityJudge:
        return BrevityJudge(self.brevity, self.price, "brevity")


class FreeSettings(BrevitySettings):
    paid: ClassVar[bool] = False


@pytest.mark.parametrize(
    ("kind", "named"), [(NamelessSettings, r"word counter: .*`self\.label`"), (FreeSettings, "`paid = True`")]
)
def test_a_judge_that_breaks_the_rules_is_refused_before_anything_is_judged(
    kind: type[BrevitySettings], named: str
) -> None:
    with JUDGES.temporarily("brevity", kind, SUMMARY), pytest.raises(SettingError, match=named):
        panel_for(Replies(judges=(parse_judge(TOY),)), "concise", BUILT_INS["concise"].load())


def test_a_judge_that_cannot_be_imported_does_not_stop_the_others() -> None:
    with JUDGES.temporarily("broken", "no_such_package:Settings"):
        assert parse_judge({"pattern": "a"}).kind == "pattern"
        with (
            pytest.warns(TrimtabWarning, match="left out: judge 'broken'"),
            pytest.raises(ValueError, match="`classifier`"),
        ):
            parse_judge(3)


def trimtab_with_the_toy(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys\nfrom trimtab.judges import JUDGES\nfrom trimtab.cli.main import main\n"
        f"JUDGES.register('brevity', 'judges.toy:BrevitySettings', {SUMMARY!r})\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    paths = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True, text=True, cwd=cwd, timeout=300, env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
    )  # fmt: skip


def test_the_command_line_lists_it_and_takes_it(tmp_path: Path) -> None:
    help_ = trimtab_with_the_toy("tune", "--help", cwd=tmp_path)
    assert help_.returncode == 0, help_.stderr
    assert "brevity" in help_.stdout
    assert SUMMARY in " ".join(help_.stdout.split())
    options = ["--behavior", "concise", "--limit", "16", "--layers", "17", "--judge", "brevity=4", "--dry-run"]
    planned = trimtab_with_the_toy("tune", *options, cwd=tmp_path)
    assert planned.returncode == 0, planned.stderr
    assert "calls of word counter" in planned.stdout
