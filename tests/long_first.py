"""The files that take longest, which run first: with a long one last, all processes but one would wait for it.

`make test` gives each process a whole file at a time, in the order of collection.
"""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
FILES = {
    "study": (
        "test_ray", "test_study", "test_baselines_measure", "test_checking", "test_contrast", "test_checked_cells",
        "test_replying", "test_replying_stopped", "test_trained_studies", "test_unscored",
    ),
    "docs": ("test_tutorials", "test_examples", "test_commands", "test_gallery", "test_python_page", "test_recipes"),
    "cli": ("test_checks", "test_verbs", "test_tune"),
    "report": ("test_browser", "test_checked_browser", "test_replies_browser"),
    "analysis": ("test_significance",),
}  # fmt: skip
"""Folder and files, the longest first; each takes ten seconds of processor time or more."""
PLACES = {
    path: place
    for place, path in enumerate(TESTS / folder / f"{name}.py" for folder, names in FILES.items() for name in names)
}


def sort(items: list[pytest.Item]) -> None:
    """Move the tests of these files to the front; all others keep their order."""
    items.sort(key=lambda item: PLACES.get(item.path, len(PLACES)))
