"""The registry of judges, and how a study file names one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from trimtab._util.registry import Entry, Registry
from trimtab._util.suggest import hint, suggestion
from trimtab._util.wording import listed
from trimtab.judges.settings import JudgeSettings

JUDGES: Registry[type[JudgeSettings]] = Registry(
    "judge",
    "trimtab.judges",
    {
        "classifier": Entry(
            "trimtab.judges.classifier:ClassifierSettings",
            "A text classifier trained on the pairs' completions: free, offline, the same scores every time.",
        ),
        "model": Entry(
            "trimtab.judges.language_model:LanguageModelSettings",
            "A language model behind a service or a local server, such as openai/gpt-4o-mini; it rates coherence too.",
        ),
        "pattern": Entry(
            "trimtab.judges.pattern:PatternSettings",
            "A regular expression that matches replies which show the behavior.",
        ),
    },
)
"""Settings classes by the key that names the judge in a study file: `{pattern: "(?i)great"}`."""


def parse_judge(value: Any) -> JudgeSettings:
    """The settings of a judge, from its bare name (where a name is enough) or from a mapping.

    Raises:
        ValueError: When no judge, or more than one, is named, or a key is unknown.
        ValidationError: When a value is wrong.
    """
    if isinstance(value, JudgeSettings):
        return value
    if isinstance(value, str):
        if value not in JUDGES.names():
            raise ValueError(f"no judge is called {value!r}{suggestion(value, JUDGES.names())}; {_choices()}")
        value = {value: True}
    if not isinstance(value, Mapping):
        raise ValueError(_choices())
    # What is switched off or left empty, such as `classifier: false`, counts as absent.
    given = {key: part for key, part in value.items() if not _is_absent(key, part)}
    named = [name for name in JUDGES.names() if name in given]
    if len(named) == 1:
        settings = JUDGES.get(named[0])
        _require_known(given, settings.model_fields, f" of the judge {named[0]!r}")
        return settings.model_validate(given)
    _require_known(given, [*JUDGES.names(), *JudgeSettings.model_fields], "")
    raise ValueError(f"{_choices()}; {f'this one is {listed(named)} at once' if named else 'this one is none of them'}")


def _is_absent(key: str, value: Any) -> bool:
    return value is None or (key in JUDGES.names() and (value is False or value == ""))


def _require_known(given: Mapping[str, Any], known: Collection[str], where: str) -> None:
    for key in given:
        if key not in known:
            raise ValueError(f"unknown key {str(key)!r}{where}{hint(str(key), known, 'keys')}")


def _choices() -> str:
    forms = (f"`{name}`" if _needs_no_value(name, kind) else f"`{{{name}: …}}`" for name, kind in JUDGES.loadable())
    return f"a judge is one of {', '.join(forms)}"


def _needs_no_value(name: str, kind: type[JudgeSettings]) -> bool:
    return kind.model_fields[name].annotation is bool
