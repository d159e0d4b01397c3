"""Keys and passwords: refused in settings and addresses, left out of manifests and messages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import trimtab
from trimtab.cli.main import main
from trimtab.errors import SettingError
from trimtab.generation import ServiceWriter
from trimtab.inputs.secrets import command_line, is_secret_name, why_no_address, without_secrets
from trimtab.judges import LanguageModelJudge
from trimtab.study import make_study

KEY = "sk-abcDEF0123456789abcDEF"
ADDRESSES = (
    f"https://host/v1?api_key={KEY}", f"https://user:{KEY}@host/v1", f"https://{KEY}@host/v1", f"https://host/{KEY}/v1",
    f"https://host/v1#{KEY}", f"https://host/v1?x={KEY}", "https://host/0123456789abcdef0123456789abcdef/v1",
    "https://host/123e4567-e89b-12d3-a456-426614174000/v1", "host:8000/v1", "ftp://host/", "https://[::1", "",
)  # fmt: skip


def settings(**judge: Any) -> dict[str, Any]:
    return {"behaviors": ["cheerful"], "replies": {"judges": [{"model": "openai/m", **judge}]}}


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_with_a_key_is_refused_wherever_it_is_given(address: str) -> None:
    for give in (
        lambda: make_study(settings(base_url=address)),
        lambda: LanguageModelJudge("openai/m", behavior="b", description="d", base_url=address),
        lambda: ServiceWriter("openai/m", base_url=address),
    ):
        with pytest.raises(SettingError, match="base_url") as caught:
            give()
        assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "http://localhost:8000/v1",
        "https://api.openai.com/v1",
        "https://x.openai.azure.com/openai/deployments/gpt-4o-2024-07-18",
    ],
)
def test_an_address_without_a_key_is_one(address: str) -> None:
    assert why_no_address(address) == ""
    make_study(settings(base_url=address))


@pytest.mark.parametrize(
    "content",
    [
        {"models": [{"id": "m", "engine": "vllm", "engine_options": {"hf_token": "abc"}}]},
        {"models": [{"id": "m", "engine": "vllm", "engine_options": {"nested": {"api_key": "abc"}}}]},
        {"models": [f"https://user:{KEY}@host/model"]},
        {"models": [{"id": "m", "groups": {"a": KEY}}]},
        {"behaviors": [f"https://host/pairs.jsonl?token={KEY}"]},
        {"behaviors": [{"source": "cheerful", "name": KEY}]},
        settings(name=KEY),
        settings(model=f"openai/{KEY}"),
    ],
)
def test_a_key_anywhere_in_settings_is_refused_and_not_repeated(content: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="put keys into the environment") as caught:
        make_study({"behaviors": ["cheerful"], **content})
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--base-url", address] for address in ADDRESSES if KEY in address),
        *([f"--base-url={address}"] for address in ADDRESSES if KEY in address),
        ["--api-key", KEY], [f"--api-key={KEY}"], ["--engine-option", f"hf_token={KEY}"], ["--model", f"openai/{KEY}"],
        [f"api_key={KEY}"], ["--text", f"Authorization: Bearer {KEY}"], ["--password", "hunter2", KEY],
    ],
)  # fmt: skip
def test_the_recorded_command_holds_no_key(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["trimtab", "tune", "-b", "cheerful", *arguments])
    recorded = command_line()
    assert KEY not in recorded
    assert "hunter2" not in recorded
    assert recorded.startswith("trimtab tune -b cheerful")


def test_the_recorded_command_keeps_what_is_no_key() -> None:
    plain = ["sweep", "-b", "a b", "--token-position", "answer", "--max-new-tokens=4", "--base-url", "http://h:1/v1"]
    assert command_line(plain) == f"trimtab sweep -b 'a b' {' '.join(plain[3:])}"


def test_what_the_environment_holds_is_hidden_from_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "hush-hush")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://gate/0123456789abcdef0123/v1")
    shown = without_secrets("asked https://gate/0123456789abcdef0123/v1 with hush-hush at https://u:pw@host")
    assert shown == "asked https://gate/[hidden] with [hidden] at https://[hidden]@host"


def test_errors_of_the_command_line_quote_no_key(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    study = tmp_path / "s.yaml"
    study.write_text(
        f"behaviors: [cheerful]\nreplies: {{judges: [{{model: openai/m, base_url: 'https://u:{KEY}@h'}}]}}\n"
    )
    for arguments in (
        ["study", str(study)],
        ["tune", "-b", "cheerful", "--judge", "openai/m", "--base-url", f"https://h/?api_key={KEY}"],
        ["data", "show", f"https://u:{KEY}@host/pairs.jsonl"],
        ["sweep", "-b", "cheerful", "--engine", "vllm", "--engine-option", f"api_key={KEY}"],
        [f"--api-key={KEY}"],
    ):
        assert main(arguments) == 2
        out, err = capsys.readouterr()
        assert KEY not in out + err


def test_names_of_secrets_are_told_from_names_of_tokens_and_keys_of_other_kinds() -> None:
    assert all(map(is_secret_name, ("api_key", "hf_token", "OPENAI-API-KEY", "token", "password", "auth.token")))
    assert not any(map(is_secret_name, ("first_token", "max_tokens", "token_position", "monkey", "kv_cache_dtype")))


def test_the_command_is_recorded_in_one_place_only_and_started_again_in_another() -> None:
    source = Path(trimtab.__file__).parent
    found = [file.name for file in source.rglob("*.py") if "sys.argv" in file.read_text(encoding="utf-8")]
    assert sorted(found) == ["runs.py", "secrets.py"]
