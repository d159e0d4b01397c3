"""`make test-fast` reaches every package, and what it runs is there."""

from __future__ import annotations

from pathlib import Path

import pytest

import trimtab
from fast import BUNDLED_FIXTURES, FILES, SECONDS, TESTS, left_out, paths, reason_left_out
from long_first import PLACES as LONG

SOURCE = Path(trimtab.__file__).parent


def test_every_file_that_is_named_is_there() -> None:
    assert not [str(path) for path in [*paths(), *LONG] if not path.is_file()]


def test_every_package_with_tests_is_reached() -> None:
    packages = {folder.name for folder in SOURCE.iterdir() if (folder / "__init__.py").is_file()}
    tested = {name for name in packages if (TESTS / name).is_dir()}
    assert len(tested) > 10
    assert tested <= set(FILES)


def test_tests_of_the_bundled_model_are_left_out_and_plain_ones_are_not(request: pytest.FixtureRequest) -> None:
    item = request.node
    assert reason_left_out(item) == ""
    item.add_marker("bundled")
    assert reason_left_out(item) == "marked"
    assert left_out([item]) == [item]
    assert "smol" in BUNDLED_FIXTURES


def test_tests_that_are_left_out_by_name_are_there() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in paths())
    assert not [name for name in SECONDS if f"def {name}(" not in text]
