"""What a report shows of replies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from trimtab.analysis import Finding
from trimtab.analysis.formatting import plain
from trimtab.report import charts
from trimtab.report.measures.base import MeasureReport, ReportContext
from trimtab.report.measures.replies import _reply_captions as captions
from trimtab.report.measures.replies._reply_browser import browser, examples
from trimtab.report.measures.replies._reply_results import ReplyResults, reply_results
from trimtab.report.measures.replies._setting_tables import agreement_table, settings_table
from trimtab.report.section import Section, folded_figures


class ReplyReport(MeasureReport[ReplyResults]):
    """Settings to use, what there was to choose from, every reply, and how well scores predict replies."""

    name = "replies"

    def results(self, context: ReportContext) -> ReplyResults | None:
        """Cells, recommended settings and usable strengths; None where there are no replies."""
        return reply_results(context)

    def findings(self, results: ReplyResults) -> Sequence[Finding]:
        """What the recommended settings change, and what limits them."""
        return results.findings

    def sections(self, results: ReplyResults) -> Sequence[Section]:
        """The settings to use first, then what there was to choose from, then every reply."""
        speakers = list(results.speakers)
        floors = " or ".join(dict.fromkeys(plain(speaker.floor) for speaker in speakers))
        heatmaps, fronts = charts.reply_heatmaps(speakers), charts.reply_fronts(speakers)
        ranges = charts.usable_ranges(speakers)
        return [
            Section(
                "says",
                "Settings to use",
                captions.settings(floors) + captions.unmeasured(results.unmeasured),
                tables=[settings_table(results)],
                file="recommended.csv",
                part="replies",
                main=True,
            ),
            Section("examples", "Examples of replies", captions.EXAMPLES, examples=examples(speakers), part="replies"),
            Section(
                "says-cells",
                "Change and coherence by layer and strength",
                captions.heatmaps(floors),
                heatmaps,
                paired=True,
                folded=folded_figures(heatmaps),
                part="replies",
                main=True,
            ),
            Section("replies", "The replies", captions.REPLIES, browser=browser(speakers), part="replies", main=True),
            Section(
                "tradeoff",
                "Change against coherence",
                captions.tradeoff(floors),
                fronts,
                small=len(fronts) > 1,
                folded=folded_figures(fronts),
                part="replies",
            ),
            Section(
                "usable",
                "Usable strengths by layer",
                captions.usable(floors),
                ranges,
                small=len(ranges) > 1,
                folded=folded_figures(ranges),
                part="replies",
            ),
            Section(
                "says-scores",
                "Do scores predict replies?",
                captions.SCORES,
                tables=[agreement_table(results.agreement)],
                file="tables/reply_agreement.csv",
                part="replies",
            ),
        ]

    def files(self, results: ReplyResults) -> Mapping[str, pd.DataFrame]:
        """Recommended settings, all cells, and the agreement with scores."""
        return {
            "recommended.csv": results.settings,
            "reply_cells.csv": results.cells,
            "tables/reply_agreement.csv": results.agreement,
        }

    def glossary(self, _results: ReplyResults) -> Sequence[tuple[str, str]]:
        """The numbers of judged replies."""
        return captions.GLOSSARY


REPLIES = ReplyReport()
