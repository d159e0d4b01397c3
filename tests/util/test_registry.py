"""Registries: names of one kind, imported when they are used, open to other packages."""

from __future__ import annotations

import sys
import warnings
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from trimtab._util.registry import Entry, Registry
from trimtab.errors import SettingError, TrimtabWarning


@pytest.fixture
def registry() -> Registry[Any]:
    return Registry(
        "shape",
        "trimtab.shapes",
        {"round": Entry("wave:Wave_read", "Has no corners."), "square": Entry(4, "Has four.")},
    )


def test_listing_imports_nothing_and_getting_imports_once(registry: Registry[Any]) -> None:
    sys.modules.pop("wave", None)
    assert registry.names() == ("round", "square")
    assert registry.summaries()["round"] == "Has no corners."
    assert "wave" not in sys.modules
    assert registry.get("round") is registry.get("round")
    assert "wave" in sys.modules


def test_an_unknown_name_is_told_with_the_nearest_and_all_others(registry: Registry[Any]) -> None:
    with pytest.raises(
        SettingError, match=r"unknown shape 'sqare'; did you mean 'square'\?; choose from round, square"
    ):
        registry.get("sqare")


def test_a_name_that_is_taken_is_refused(registry: Registry[Any]) -> None:
    with pytest.raises(SettingError, match="registered already"):
        registry.register("round", 1, "")


def test_what_is_registered_for_a_while_is_gone_afterwards(registry: Registry[Any]) -> None:
    with registry.temporarily("star", 5):
        assert registry.get("star") == 5
    assert registry.names() == ("round", "square")


def test_installed_packages_add_entries_but_replace_none(
    registry: Registry[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    points = [EntryPoint(name, "wave:Wave_write", "trimtab.shapes") for name in ("round", "star")]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points if group == "trimtab.shapes" else [])
    with pytest.warns(TrimtabWarning, match="shape 'round' of another package is ignored: the name is taken"):
        assert registry.names() == ("round", "square", "star")
    assert registry.get("star").__name__ == "Wave_write"
    assert registry.get("round").__name__ == "Wave_read"


@pytest.mark.parametrize("target", ["no_such_module:x", "wave:no_such_name"])
def test_an_entry_that_cannot_be_imported_names_its_place(registry: Registry[Any], target: str) -> None:
    with registry.temporarily("broken", target), pytest.raises(SettingError, match=f"cannot be imported from {target}"):
        registry.get("broken")


def test_a_search_that_failed_is_made_again(registry: Registry[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(group: str) -> list[EntryPoint]:
        raise OSError("metadata cannot be read")

    monkeypatch.setattr("importlib.metadata.entry_points", fail)
    with pytest.raises(OSError, match="metadata"):
        registry.names()
    points = [EntryPoint("star", "wave:Wave_write", "trimtab.shapes")]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points)
    assert "star" in registry.names()


@pytest.fixture
def broken_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "broken_shape.py").write_text("raise RuntimeError('no corners today')\n")
    monkeypatch.syspath_prepend(tmp_path)
    return "broken_shape"


def test_whatever_a_package_raises_on_import_is_reported_in_words(registry: Registry[Any], broken_module: str) -> None:
    with (
        registry.temporarily("broken", f"{broken_module}:X"),
        pytest.raises(SettingError, match="shape 'broken' cannot be imported from broken_shape:X: no corners today"),
    ):
        registry.get("broken")


def test_an_entry_that_cannot_be_imported_is_left_out_of_lists_with_one_warning(
    registry: Registry[Any], broken_module: str
) -> None:
    with registry.temporarily("broken", f"{broken_module}:X"):
        with pytest.warns(TrimtabWarning, match="left out: shape 'broken'"):
            assert [name for name, _ in registry.loadable()] == ["round", "square"]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert dict(registry.loadable())["square"] == 4
