"""One default unit: wherever a scale may be left out it is the same one, and strengths that are left out follow it."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import click
import pytest
from pydantic import BaseModel

import trimtab
from tiny import vector_for
from trimtab.cli.main import cli
from trimtab.cli.model_options import study_scales
from trimtab.engines import Model
from trimtab.engines.vllm.http import steer
from trimtab.engines.vllm.wire.spec import Push, parse_spec
from trimtab.models import Backbone
from trimtab.steering import DEFAULT_SCALE, Intervention, SteeringSetting, usual_strengths
from trimtab.study import make_study

OF_OTHERS = {
    # Strengths that other programs wrote down: multiples of the vector, unless their table says it.
    "import --scale",
}
"""Where a scale that is left out is not trimtab's to choose."""


def modules() -> Iterator[Any]:
    for info in pkgutil.walk_packages(trimtab.__path__, "trimtab."):
        if ".plugin." not in info.name and not info.name.endswith("__main__"):  # the plugin needs vLLM
            yield importlib.import_module(info.name)


def own(kind: Any) -> bool:
    return (getattr(kind, "__module__", None) or "").startswith("trimtab.")


def signatures() -> Iterator[tuple[str, Any]]:
    """Every default of a parameter or field called `scale`, of functions, methods, dataclasses and settings."""
    seen: set[int] = set()
    for module in modules():
        for thing in vars(module).values():
            if not own(thing) or id(thing) in seen:
                continue
            seen.add(id(thing))
            where = f"{thing.__module__}.{getattr(thing, '__qualname__', thing)}"
            if inspect.isclass(thing):
                yield from ((f"{where}.{name}", default) for name, default in fields(thing))
                methods = [value for value in vars(thing).values() if inspect.isfunction(value)]
            else:
                methods = [thing] if inspect.isfunction(thing) else []
            for function in methods:
                parameter = inspect.signature(function).parameters.get("scale")
                if parameter is not None and parameter.default is not inspect.Parameter.empty:
                    yield f"{function.__module__}.{function.__qualname__}", parameter.default


def fields(kind: type) -> Iterator[tuple[str, Any]]:
    if issubclass(kind, BaseModel) and "scale" in kind.model_fields and not kind.model_fields["scale"].is_required():
        yield "scale", kind.model_fields["scale"].default
    if dataclasses.is_dataclass(kind):
        for field in dataclasses.fields(kind):
            if field.name == "scale" and field.default is not dataclasses.MISSING:
                yield "scale", field.default


def options(group: click.Group, context: click.Context, before: str = "") -> Iterator[tuple[str, click.Option]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from options(command, context, f"{before}{name} ")
        else:
            yield from (
                (f"{before}{name} {one.opts[0]}", one) for one in command.params if isinstance(one, click.Option)
            )


def test_every_default_of_a_scale_in_the_source_is_the_same() -> None:
    found = dict(signatures())
    assert {"trimtab.steering.setting.SteeringSetting.scale", "trimtab.evaluation.sweeping.sweep"} < set(found)
    assert sum(default == DEFAULT_SCALE for default in found.values()) >= 10
    said = {where: default for where, default in found.items() if default}  # without one, it is the study's
    assert {where: default for where, default in said.items() if default != DEFAULT_SCALE} == {}


def test_every_option_of_the_command_line_has_the_same_default() -> None:
    scales = {name: one for name, one in options(cli, click.Context(cli)) if name.endswith("--scale")}
    assert {"sweep --scale", "chat --scale", "tune --scale", "vectors export --scale"} < set(scales)
    others = {name for name, one in scales.items() if one.default != DEFAULT_SCALE}
    assert others == OF_OTHERS


def test_studies_requests_and_contexts_that_say_no_scale_agree(llama: Backbone) -> None:
    said = {
        make_study({"behaviors": ["cheerful"]}).scale,
        SteeringSetting.from_mapping({}).scale,
        parse_spec({"pushes": [{"vector": "v", "layers": [1], "strength": 0.1}]}).pushes[0].scale,
        Push("v", (1,), 0.1).scale,
        steer("v", 1).pushes[0].scale,
        Intervention({1: vector_for(llama).direction[1]}, 0.1).scale,
    }
    assert said == {DEFAULT_SCALE}


@pytest.mark.parametrize("scale", study_scales())
def test_strengths_that_are_left_out_are_what_is_usual_for_the_scale(scale: str) -> None:
    assert make_study({"behaviors": ["cheerful"], "scale": scale}).strengths == usual_strengths(scale)
    assert make_study({"behaviors": ["cheerful"], "scale": scale, "strengths": [0.3]}).strengths == (0.3,)


def test_a_relative_strength_is_a_tenth_and_a_raw_one_the_vector() -> None:
    assert usual_strengths(DEFAULT_SCALE) == make_study({"behaviors": ["cheerful"]}).strengths == (-0.1, 0.1)
    assert usual_strengths("raw") == (-1.0, 1.0)


def test_a_context_without_a_strength_pushes_by_the_usual_one(llama: Backbone) -> None:
    model, vector = Model(llama), vector_for(llama)
    for options, strength in (({}, 0.1), ({"scale": "raw"}, 1.0)):
        with model.steer(vector, layer=1, **options):  # type: ignore[arg-type]
            found = model.chat("Hello", max_new_tokens=8)
        with model.steer(vector, layer=1, strength=strength, **options):  # type: ignore[arg-type]
            assert model.chat("Hello", max_new_tokens=8) == found
        assert steer("v", 1, **options).pushes[0].strength == strength  # type: ignore[arg-type]
