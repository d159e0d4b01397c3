"""Draw the gallery of figures.

Usage:
    trimtab study docs/gallery/study.yaml -o runs/gallery
    python docs/gallery/build.py runs/gallery      # docs/gallery.md and docs/gallery/*.svg
    python docs/gallery/build.py                   # the page alone, after a text in figures.py has changed
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "tests")]  # the texts beside this file, and the invented models of the tests

from figures import FIGURES, SECTIONS, Figure, Source  # noqa: E402

from trimtab.report import RunTables  # noqa: E402
from trimtab.report.charts import Chart  # noqa: E402

PAGE = HERE.parent / "gallery.md"
FEW_MODELS = 4
"""The scatter of models is drawn from this number on; a report asks for more."""
INTRODUCTION = """# Gallery of figures

Every kind of figure that a report draws: what it answers, what makes it, and what to look out for. `trimtab report`
writes each of them as SVG, PDF, PNG and CSV; [figures for papers](papers.md) has the sizes, and
[Python](python.md#figures-and-reports) the calls.

Most figures here are of one small run of the bundled model, SmolLM2-135M-Instruct: three behaviors, thirty pairs or
fewer of each, so that intervals are wide. Those marked *planted* show invented numbers that the tests of reports use:
they compare six models, or take long to measure. `docs/gallery/build.py` draws them again.
"""


def page() -> str:
    """The page, made of the texts alone."""
    parts = [INTRODUCTION]
    for heading, figures in SECTIONS.items():
        parts.append(f"## {heading}\n")
        for figure in figures:
            planted = " *Planted.*" if figure.source == "planted" else ""
            picture = f"![{figure.question}](gallery/{figure.slug}.svg)"
            parts.append(
                f"### {figure.title}\n\n{picture}\n\n{figure.question}{planted}\n\n"
                f"- made by: {figure.made_by}; files `{figure.slug}-….svg`\n- look out: {figure.mind}\n"
            )
    return "\n".join(parts)


def report_charts(run: RunTables) -> list[Chart]:
    """Every figure of the report of one run, and those that a report would draw of more models."""
    from trimtab.report.results import analysed
    from trimtab.report.write import assembled

    results = analysed([run])
    return [*assembled([run], results).charts, *scatter_of_models(results.measures["scores"].comparison)]


def scatter_of_models(compared: Any) -> list[Chart]:
    """The figures of models and their architecture, with fewer models than a report asks for."""
    from trimtab.analysis import correlations
    from trimtab.report.charts import architecture_scatters

    if compared.by_model.empty:
        return []
    found = correlations(compared.by_model, compared.models, least=FEW_MODELS)
    kind = compared.by_model.iloc[0][["engine", "scoring"]]
    return architecture_scatters(compared.by_model, compared.models, found.assign(**kind))


PLANTED = {"corrigible": 1.6, "sycophancy": 0.9, "power-seeking": 0.5}
"""Behaviors of the invented models, and how strongly they can be steered."""


def planted_charts(behaviors: Mapping[str, float] = PLANTED) -> list[Chart]:
    """The figures of invented runs: six models, and one model with everything."""
    from report.full import full_run
    from report.study import wide_study

    wide = wide_study(8, behaviors=dict(behaviors))
    return [*report_charts(wide), *report_charts(full_run())]


def cosines_of_layers(folder: Path) -> list[Chart]:
    """The figure of a vector's layers, which only Python draws."""
    from trimtab.notebook.plots import vector_cosines
    from trimtab.vectors import SteeringVector

    return [
        vector_cosines(SteeringVector.load(path)).chart for path in sorted((folder / "vectors").glob("*.safetensors"))
    ]


def kind_of(slug: str) -> Figure | None:
    """The kind that a figure is of, by the name of its files: the longest that fits."""
    fitting = [figure for figure in FIGURES if slug == figure.slug or slug.startswith(f"{figure.slug}-")]
    return max(fitting, key=lambda figure: len(figure.slug), default=None)


def chosen(charts: Mapping[Source, Iterable[Chart]]) -> dict[str, Chart]:
    """The figure to show of each kind, by the slug of the kind.

    Raises:
        SystemExit: When a kind is missing.
    """
    found = {}
    for figure in FIGURES:
        mine = [chart for chart in charts[figure.source] if kind_of(chart.slug) == figure]
        wanted = [chart for chart in mine if chart.slug.endswith(figure.example)] or mine
        if wanted:
            found[figure.slug] = wanted[0]
    missing = [figure.slug for figure in FIGURES if figure.slug not in found]
    if missing:
        raise SystemExit(f"no figure of {', '.join(missing)}: is the run finished?")
    return found


def compact_svg(svg: str) -> str:
    """A picture with coordinates of one decimal."""
    return re.sub(r"(\d+\.\d)\d+", r"\1", svg).rstrip() + "\n"


def draw(charts: Mapping[str, Chart]) -> None:
    """Write the pictures."""
    from trimtab.report.charts.pictures import TWO_COLUMNS, pictures

    for old in HERE.glob("*.svg"):
        old.unlink()
    for slug, chart in charts.items():
        svg = compact_svg(next(pictures(chart, (TWO_COLUMNS,))).svg)
        (HERE / f"{slug}.svg").write_text(svg, encoding="utf-8")


def main() -> None:
    """Write the page, and the pictures where a run is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", type=Path, help="folder of the run of study.yaml")
    folder = parser.parse_args().run
    if folder is not None:
        from trimtab.study.reporting import read_run

        real = [*report_charts(read_run(folder)), *cosines_of_layers(folder)]
        draw(chosen({"run": real, "planted": planted_charts()}))
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
