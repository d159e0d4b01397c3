"""The verdicts of a report, made from its results, and the sentence and table that sum up many of them."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from trimtab._util.wording import plural
from trimtab.report import charts
from trimtab.report.charts import Chart
from trimtab.report.measures.replies import REPLIES, WAYS, ReplyResults, examples
from trimtab.report.measures.scores import SCORES
from trimtab.report.report_inputs import RunTables
from trimtab.report.results import Results
from trimtab.report.section import Example
from trimtab.report.tables import Table, table
from trimtab.report.tables import word as word_column
from trimtab.report.verdict._tiles import tiles
from trimtab.report.verdict._verdict_sentences import NOT_MEASURED, WORKS, sentence, size, word
from trimtab.report.verdict._words import reply_setting, score_setting
from trimtab.report.verdict.base import Verdict
from trimtab.report.verdict.evidence import KEYS, Case, Evidence, cases


def verdicts(runs: Sequence[RunTables], results: Results) -> list[Verdict]:
    """One verdict for each behavior in each model, in the order of the tables."""
    # A run that was imported has no vector to chat with.
    paths = {run.name: run.path for run in runs if run.manifest.get("vectors")}
    scores = results.of(SCORES)
    curves = charts.layer_curves(scores.effects, scores.best, scores.measure)
    drawn: set[str] = set()
    found = []
    for case in cases(results):
        value, tone = word(case)
        chart = _curve(case, curves)
        if chart is not None and chart.slug in drawn:
            chart = None  # one curve has all behaviors of a model
        drawn |= {chart.slug} if chart else set()
        found.append(
            Verdict(
                title=f"{case.behavior} in {case.place}",
                behavior=case.behavior,
                model=case.place,
                size=size(case),
                judged=case.judged,
                word=value,
                tone=tone,
                sentence=sentence(case),
                tiles=tiles(case, results),
                reason=_reason(case, results),
                chart=chart,
                example=_example(case, results),
                command=_command(case, paths.get(case.owner["run"], "")),
            )
        )
    return found


def verdict_sentences(results: Results, most: int) -> list[str]:
    """The sentence of each verdict; of more than `most`, the one that sums them up."""
    known = list(cases(results))
    if len(known) <= most:
        return [sentence(case) for case in known]
    words = [(case.behavior, case.place, word(case)[0], case.judged) for case in known]
    return [_summary(words)]


def summary(found: Sequence[Verdict]) -> str:
    """One sentence about many verdicts."""
    return _summary([(verdict.behavior, verdict.model, verdict.word, verdict.judged) for verdict in found])


def _summary(words: Sequence[tuple[str, str, str, bool]]) -> str:
    behaviors, models = (len({entry[place] for entry in words}) for place in (0, 1))
    where = f"{plural(behaviors, 'behavior')} in {plural(models, 'model')}"
    measured = [entry for entry in words if entry[2] != NOT_MEASURED]
    if not measured:
        return f"Whether steering works was not measured ({where}): nothing was scored, and no reply was judged."
    outcomes = Counter(outcome for _, _, outcome, _ in words)
    works = sum(count for outcome, count in outcomes.items() if outcome in WORKS)
    others = [f"{count} {outcome}" for outcome, count in outcomes.most_common() if outcome not in WORKS]
    lead = f"Steering works in {works}" if works else "Steering is shown to work in none"
    judged = sum(entry[3] for entry in measured)
    basis = {
        0: "Measured by scores; what the models write then was not judged",
        len(measured): "By judged replies",
    }.get(judged, f"{judged} were measured by judged replies, {len(measured) - judged} by scores")
    rest = f" {'The others' if works else 'Of these'}: {', '.join(others)}." if others else ""
    return f"{lead} of {len(words)} cases ({where}). {basis}.{rest}"


def verdict_table(found: Sequence[Verdict]) -> Table:
    """All verdicts below each other, for reports with many."""
    rows = [
        {
            "behavior": verdict.behavior, "model": verdict.model, "word": verdict.word, "size": verdict.size,
            "setting": verdict.tiles[1].value,
            "cost": "–" if verdict.tiles[2].value == NOT_MEASURED else verdict.tiles[2].value,
        }
        for verdict in found
    ]  # fmt: skip
    models = len({verdict.model for verdict in found})
    columns = [
        word_column("behavior"),
        *([word_column("model")] if models > 1 else []),  # on a phone it would push the verdict out of sight
        word_column("word", "does it work?"),
        word_column("size", "change"),
        word_column("setting", "setting to use"),
        word_column("cost", "what it costs"),
    ]
    return table("Verdicts", columns, rows)


def _reason(case: Case, results: Results) -> str:
    """Why scores and replies choose different layers."""
    use = case.setting
    if use is None or "direction" not in use.row:
        return ""
    other = next(
        (one for one in case.scores if one.outcome == "shown" and one.row["layers"] != use.row["layers"]), None
    )
    if other is None:
        return ""
    layer = str(other.row["layers"])
    text = (
        f"Replies choose {reply_setting(use.row)}, scores {score_setting(other.row)}. Scores ask how likely the model "
        "finds completions that somebody else wrote; replies are what it writes itself."
    )
    tried = set(_replied(case, results)["layers"].astype(str))
    return text if layer in tried else f"{text} At layer {layer} no replies were written."


def _replied(case: Case, results: Results) -> pd.DataFrame:
    replies: ReplyResults = results.measures[REPLIES.name]
    cells = replies.cells
    mine: pd.DataFrame = cells[(cells[list(KEYS)] == pd.Series(case.owner)[list(KEYS)]).all(axis=1)]
    return mine


def _curve(case: Case, curves: Sequence[Chart]) -> Chart | None:
    """The effect by layer: the figure of this model that has this behavior in it."""
    for chart in curves:
        data = chart.data
        names = [name for name in KEYS if name in data.columns]
        if len(data) and (data[names] == pd.Series(case.owner)[names]).all(axis=1).any():
            return chart
    return None


def _example(case: Case, results: Results) -> Example | None:
    """One prompt, unsteered and at the setting to use."""
    replies: ReplyResults | None = results.measures.get(REPLIES.name)
    use = case.setting
    if replies is None or use is None or "direction" not in use.row:
        return None
    mine = [s for s in replies.speakers if all(s.owner[name] == case.owner[name] for name in KEYS)]
    wanted = _heading(use)
    for example in examples(mine):
        shown = [reply for reply in example.replies if reply.heading in ("unsteered", wanted)]
        if len(shown) > 1:
            return replace(example, replies=sorted(shown, key=lambda reply: reply.heading != "unsteered"))
    return None


def _heading(use: Evidence) -> str:
    return f"{WAYS[int(use.row['direction'])]}: {reply_setting(use.row)}"


def _command(case: Case, path: str) -> str:
    """What to type to try the setting."""
    if case.setting is None or not path:
        return ""
    return shlex.join(["trimtab", "chat", "--run", path, "--model", case.model, "--behavior", case.behavior])
