"""The tables that a paper needs, in LaTeX with booktabs: chosen settings, recommended settings, models side by side."""

from __future__ import annotations

from collections.abc import Iterator

from trimtab.analysis.cells import sized
from trimtab.analysis.formatting import decimals_for, fixed, p_value, signed_strength
from trimtab.analysis.replies import first_judged
from trimtab.analysis.samples import records, several
from trimtab.report._glossary import DIVIDED
from trimtab.report.measures.replies import ReplyResults
from trimtab.report.measures.scores import ScoreResults
from trimtab.report.measures.scores.comparison_tables import places
from trimtab.report.paper._markup import tex_escaped
from trimtab.report.results import Results
from trimtab.report.tables import Column, Table, number, owner_columns, table, with_interval, word

WAYS = {1: "toward", -1: "away"}


def latex_tables(results: Results) -> tuple[str, list[str]]:
    """The tables below each other, "" where there is none; and the keys of the works that their captions cite."""
    made = list(_tables(results))
    if not made:
        return "", []
    head = "% Needs \\usepackage{booktabs}, and \\usepackage{graphicx} for \\resizebox.\n"
    keys = ["glass1976"] if any("glass1976" in caption for _, _, caption in made) else []
    return head + "\n".join(_latex(one, label, caption) for one, label, caption in made), keys


def _tables(results: Results) -> Iterator[tuple[Table, str, str]]:
    scores: ScoreResults | None = results.measures.get("scores")
    replies: ReplyResults | None = results.measures.get("replies")
    brackets = r"brackets are 95\% intervals."
    glass = rf"Glass's $\Delta$~\citep{{glass1976}} counts {tex_escaped(DIVIDED[results.denominator])}"
    if scores is not None and len(scores.best):
        held_out = scores.best["held_out"].astype(bool)
        where = (
            "on prompts that took no part in choosing it"
            if held_out.all()
            else "on the prompts that also chose it"
            if not held_out.any()
            else "on held-out prompts where the column says so"
        )
        caption = f"The chosen setting of each model and behavior, measured {where}. {glass}; {brackets}"
        yield _chosen(scores), "chosen-settings", caption
    if replies is not None and len(replies.settings):
        caption = (
            "The recommended setting of each model and behavior in each direction, by judged replies. Change runs from "
            "$-10$ to $10$; brackets are 95\\% intervals."
        )
        yield _recommended(replies), "recommended-settings", caption
    if scores is not None and len(scores.comparison.by_model) > 1:
        caption = f"Means over the behaviors of each model, each at its chosen setting. {glass}; {brackets}"
        yield _models(scores), "models", caption


def _chosen(scores: ScoreResults) -> Table:
    best = scores.best
    decimals = decimals_for(best["delta"])
    mixed = best["held_out"].nunique() > 1
    columns = [
        *owner_columns(best),
        Column("layer", lambda row: str(row["layers"]).replace("+", " + ")),
        number("depth", "depth"),
        Column("strength", lambda row: sized(row["strength"], row["compared"])),
        Column("prompts", lambda row: str(int(row["n"]))),
        Column("delta", lambda row: with_interval(row, "delta", decimals)),
        Column("Glass’s Δ", lambda row: with_interval(row, "glass", 2)),
        Column("p", lambda row: p_value(row["p" if row["held_out"] else "p_adjusted"])),
        *([Column("held out", lambda row: "yes" if row["held_out"] else "no", number=False)] if mixed else []),
    ]
    return table("Chosen settings", columns, records(best))


def _recommended(replies: ReplyResults) -> Table:
    settings = first_judged(replies.settings)
    rated = settings["rated"].gt(0)  # coherence as the judge gave it; elsewhere it is the worse of the next two columns
    coherence = Column("coherence", lambda row: with_interval(row, "coherence", 1, (row["floor"],)))
    columns = [
        word("model"),
        word("behavior"),
        *(word(name) for name in several(settings, ("run", "engine", "scale", "positions"))),
        Column("direction", lambda row: WAYS[int(row["direction"])], number=False),
        Column("layer", lambda row: "–" if row["reason"] else str(row["layers"])),
        Column("strength", lambda row: "–" if row["reason"] else signed_strength(row["strength"])),
        Column("prompts", lambda row: "–" if row["reason"] else str(int(row["n"]))),
        Column("change", lambda row: with_interval(row, "change", 1)),
        *([coherence] if rated.any() else []),
        number("fluency", "fluency", 1),
        number("on_topic", "on-topic", 1),
        word("judge"),
        word("reason", "why none"),
    ]
    return table("Recommended settings", columns, records(settings))


def _models(scores: ScoreResults) -> Table:
    by_model = scores.comparison.by_model
    shown = [name for name in ("run", "engine", "scoring") if name in by_model and by_model[name].nunique() > 1]
    columns = [
        word("model"),
        *(word(name) for name in shown),
        Column("behaviors", lambda row: str(int(row["n_behaviors"]))),
        Column("mean delta", lambda row: _mean(row, "delta", decimals_for([row["mean_delta"]]))),
        Column("mean Δ", lambda row: _mean(row, "glass", 2)),
        Column("rank by delta", lambda row: places(row, "delta")),
        Column("rank by Δ", lambda row: places(row, "glass")),
        Column("mean depth", lambda row: fixed(row["mean_depth"])),
    ]
    return table("Models", columns, records(by_model))


def _mean(row: dict[str, object], name: str, decimals: int) -> str:
    ends = {name: row[f"mean_{name}"], f"{name}_low": row[f"{name}_low"], f"{name}_high": row[f"{name}_high"]}
    return with_interval(ends, name, decimals)


def _latex(one: Table, label: str, caption: str) -> str:
    """A table as a float, no wider than the text."""
    kinds = "".join("r" if column.number else "l" for column in one.columns)
    lines = [[tex_escaped(column.heading) for column in one.columns]]
    lines += [[tex_escaped(cell) for cell in row] for row in one.rows]
    head, *body = [" & ".join(cells) + r" \\" for cells in lines]
    rows = "\n".join(body)
    return (
        "\\begin{table}[t]\n\\centering\n"
        f"\\caption{{{caption}}}\n\\label{{tab:{label}}}\n"
        "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%\n"
        f"\\begin{{tabular}}{{{kinds}}}\n\\toprule\n{head}\n\\midrule\n{rows}\n\\bottomrule\n\\end{{tabular}}%\n}}\n"
        "\\end{table}\n"
    )
