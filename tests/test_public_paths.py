"""Whatever takes a path takes text too: nobody imports pathlib to name a file."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import trimtab as tt


def public_functions() -> Iterator[tuple[str, Any]]:
    for name in tt.__all__:
        found = getattr(tt, name)
        if inspect.isclass(found):
            yield from ((f"{name}.{key}", value) for key, value in vars(found).items() if not key.startswith("_"))
        yield name, found


def takes_paths() -> dict[str, str]:
    """Parameters of public functions that may be a path, with what they are declared as."""
    found: dict[str, str] = {}
    for name, function in public_functions():
        function = getattr(function, "__func__", function)
        if callable(function) and not inspect.isclass(function):
            for parameter in inspect.signature(function).parameters.values():
                if "Path" in str(parameter.annotation):
                    found[f"{name}({parameter.name})"] = str(parameter.annotation)
    return found


def test_every_public_function_takes_a_path_as_text() -> None:
    assert {"read_study(path)", "run_study(out)", "SteeringVector.load(path)"} <= set(takes_paths())
    assert not [where for where, declared in takes_paths().items() if "str" not in declared]


def test_a_study_is_read_and_planned_from_text(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text("models: [smollm2-135m]\nbehaviors: [cheerful]\n", encoding="utf-8")
    assert tt.read_study(str(tmp_path / "small.yaml")) == tt.read_study(tmp_path / "small.yaml")
