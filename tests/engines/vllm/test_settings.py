"""What a server may be told in `additional_config`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trimtab.engines.vllm.plugin import plugin_settings as module
from trimtab.engines.vllm.plugin.plugin_settings import PluginSettings, asked_for, code_hash, plugin_settings
from trimtab.errors import SettingError


@pytest.mark.parametrize("config", [None, {}, {"other": {}}, "trimtab", ["trimtab"]])
def test_a_server_that_is_not_told_to_steer_does_not(config: Any) -> None:
    assert plugin_settings(config) is None


def test_the_empty_object_asks_for_steering() -> None:
    assert plugin_settings({"trimtab": {}}) == PluginSettings()


def test_rows_and_a_folder_are_taken(tmp_path: Path) -> None:
    given = {"trimtab": {"rows": 3, "vectors": str(tmp_path)}, "other": 1}
    assert plugin_settings(given) == PluginSettings(3, str(tmp_path))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "None is not an object"),
        (True, "True is not an object"),
        ("on", "'on' is not an object"),
        ([], r"\[\] is not an object"),
        ({"row": 3}, "unknown setting 'row'; the settings are rows, vectors"),
        ({"rows": 0}, "rows is a number from 1 on, not 0"),
        ({"rows": True}, "not True"),
        ({"rows": 2.0}, "not 2.0"),
        ({"rows": "3"}, "not '3'"),
        ({"vectors": ""}, "vectors names a folder"),
        ({"vectors": 3}, "vectors names a folder"),
        ({"vectors": True}, "vectors names a folder"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_in_words(given: Any, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        plugin_settings({"trimtab": given})


@pytest.mark.parametrize("folder", ["/no/such/folder", __file__])
def test_a_folder_of_vectors_is_looked_for_where_requests_come_in(folder: str) -> None:
    """Workers on other machines need not have it."""
    found = plugin_settings({"trimtab": {"vectors": folder}})
    assert found is not None
    with pytest.raises(SettingError, match=f"there is no folder '{folder}'"):
        found.folder()


def test_what_an_engine_asks_for_is_what_the_plugin_reads() -> None:
    assert plugin_settings(asked_for()) == PluginSettings(reads=True, code=code_hash())
    assert plugin_settings(asked_for(rows=5)) == PluginSettings(5, reads=True, code=code_hash())


@pytest.mark.parametrize("given", [{}, {"reads": False}, {"reads": "yes"}, {"reads": None}])
def test_states_are_kept_only_where_that_is_asked_for(given: Any) -> None:
    settings = plugin_settings({"trimtab": given})
    assert settings is not None
    assert settings.reads is False


def test_the_code_hash_changes_with_what_is_traced_into_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = code_hash()
    for name in module.TRACED:
        (tmp_path / name).write_bytes((Path(module.__file__).parent / name).read_bytes())
    monkeypatch.setattr(module, "__file__", str(tmp_path / "plugin_settings.py"))
    assert code_hash() == before
    with (tmp_path / "_push_table.py").open("a") as file:
        file.write("# changed\n")
    assert code_hash() != before
