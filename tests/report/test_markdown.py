from __future__ import annotations

import re

from synthetic import synthetic_manifest, synthetic_samples
from trimtab.report import RunTables, write_report
from trimtab.report._markdown import escaped


def test_the_markdown_tells_the_same_findings_and_links_every_picture(wide_page):
    text = wide_page.with_suffix(".md").read_text(encoding="utf-8")
    pictures = re.findall(r"!\[.+?\]\((charts/[a-z0-9-]+\.png)\)", text)
    assert len(pictures) == len(list((wide_page.parent / "charts").glob("*.png")))
    assert all((wide_page.parent / picture).is_file() for picture in pictures)
    assert "## Across models" in text
    assert "In score units, " in text


def test_tables_keep_their_columns_whatever_the_names(tmp_path):
    evil = "a|b\n# c <img src=x> `d` [e](f) @g"
    samples = synthetic_samples({evil: 1.0}, layers=3, prompts=6)
    write_report([RunTables("x", synthetic_manifest(samples, 3), samples)], tmp_path / "report.html")
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "<img" not in text.replace("\\<img", "")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    counts = [len(re.findall(r"(?<!\\)\|", line)) for line in rows]
    rules = [i for i, line in enumerate(rows) if re.fullmatch(r"\|( :?-+:? \|)+", line)]
    assert len(rules) > 3
    for start, end in zip(rules, [*rules[1:], len(rows) + 1], strict=True):
        assert len(set(counts[start - 1 : end - 1])) == 1


def test_text_is_shown_as_it_is():
    assert escaped("a*b_c|d\n<e>") == "a\\*b\\_c\\|d \\<e\\>"
