"""The review page of a file of pairs: one HTML file on which bad pairs are struck out; nothing is sent anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.report._page import environment
from trimtab.report._report_files import write_report_file


@dataclass(frozen=True)
class Card:
    """One pair on the page."""

    key: str
    """What decisions call the pair."""
    row: Mapping[str, Any]
    """Its line of `pairs.jsonl`."""
    flags: Sequence[str]
    """Reasons against it, a phrase each."""


def write_review(page: Path, file: str, about: str, remarks: Sequence[str], cards: Sequence[Card]) -> None:
    """Write the page.

    Args:
        page: where to.
        file: name of the file of pairs: of what the page saves, and the heading.
        about: what the pairs are for, in a phrase; "" if that is not known.
        remarks: about all pairs together, a sentence each.
        cards: the pairs in their order.
    """
    data = {
        "file": file,
        "cards": [{"key": card.key, "row": dict(card.row), "flags": list(card.flags)} for card in cards],
    }
    template = environment().get_template("review.html.j2")
    content = template.render(file=file, about=about, remarks=remarks, data=data)
    write_report_file(page, content, page.parent)
