"""The identity of a run: an allow-list of settings, each marked with whether numbers depend on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, get_args

import pytest
from pydantic import BaseModel

from trimtab.store.yaml_file import Strict
from trimtab.study import make_study
from trimtab.study.measures.answers.settings import Answers
from trimtab.study.measures.registry import BUILT_IN, MEASURES, OF_STUDY
from trimtab.study.measures.replies.settings import Replies
from trimtab.study.settings.behavior_setting import BehaviorSetting, Split
from trimtab.study.settings.bound_setting import Bound
from trimtab.study.settings.identity import ADDS, NO_NUMBERS, SHAPES, Effect, Marked, Shapes, effect_of, shaping_part
from trimtab.study.settings.model_setting import ModelSetting
from trimtab.study.settings.study_file import Study
from trimtab.study.settings.when_setting import When

ONE: dict[str, Any] = {"behaviors": ["cheerful"]}
EVERYTHING: dict[str, Any] = {
    "name": "x",
    "models": [
        "m",
        {"id": "n", "name": "short", "dtype": "float32", "groups": {"a": "b"}, "facts": {"layers": 3}},
        {"id": "v", "engine": "vllm", "engine_options": {"quantization": "fp8", "tensor_parallel_size": 2}},
    ],
    "behaviors": [
        {"source": "cheerful", "name": "c", "scoring": "text", "limit": 32, "skip_bad": True},
        "corrigible",
    ],
    "layers": "9,13", "strengths": [-2, 2], "scale": "relative", "positions": "after_prompt", "first_token": True,
    "share_strength": True, "vector_layer": 3, "method": "pca", "token_position": "last", "balance": "off",
    "split": {"train": 0.6, "select": 0.2, "test": 0.2},
    "answers": {"prompts": 3, "models": ["short"], "max_new_tokens": 9, "reader": 1},
    "replies": {
        "behaviors": ["c"], "layers": "3", "strengths": [0.5], "scale": "raw", "prompts": 9, "max_new_tokens": 7,
        "judges": [{"pattern": "a"}], "search": "halving",
    },
    "dose": True, "diagnosis": True, "side_effects": {"random": 0}, "robustness": {"prompts": 5}, "seed": 4,
}  # fmt: skip
OTHER: dict[type[BaseModel], dict[str, Any]] = {
    Study: {
        "models": ["n"], "behaviors": ["concise"], "layers": "3", "strengths": [2.0], "scale": "raw",
        "positions": "prompt", "first_token": True, "share_strength": True, "vector_layer": 1, "method": "pca",
        "token_position": "last", "balance": "off", "split": {"train": 0.6, "select": 0.2, "test": 0.2},
        "answers": {}, "replies": {}, "seed": 1, "training": {"steps": 3}, "when": "m.safetensors", "bound": "p25",
    },
    ModelSetting: {
        "id": "n", "name": "other", "dtype": "float32", "device": "cpu", "quantization": "bnb-4bit", "engine": "vllm",
        "tensor_parallel": 2, "template": "none", "thinking": "on", "system_role": "user",
    },
    BehaviorSetting: {
        "source": "concise", "name": "other", "scoring": "text", "limit": 20, "contrast": "personas.jsonl",
        "contrast_limit": 20, "contrast_map": {"positive": "good"},
        "map": {"prompt": "question"},
    },
    When: {"above": 0.7, "reads": "last"},
    Bound: {"at": "p50", "side": "negative", "token_position": "each_token"},
    Split: {"train": 0.5 + 2e-7, "select": 0.25 + 2e-7, "test": 0.25 + 2e-7},
    Answers: {
        "models": ["m"], "behaviors": ["corrigible"], "prompts": 3, "max_new_tokens": 3,
        "likelihood": True, "reader": 1,
    },
    Replies: {
        "models": ["m"], "behaviors": ["corrigible"], "layers": "3", "strengths": [2.0], "scale": "relative",
        "max_new_tokens": 3,
    },
}  # fmt: skip
"""Another value for every setting that shapes numbers."""
BESIDE: dict[str, Any] = {
    "contrast_limit": {"contrast": "personas.jsonl"},
    "contrast_map": {"contrast": "personas.jsonl"},
    "scale": {"strengths": [0.3]},
    "training": {"method": "ssv"},
    "bound": {"scale": "cap"},
}
"""What a setting needs beside it."""
NEEDED: dict[type[BaseModel], dict[str, Any]] = {When: {"monitor": "m.safetensors"}, Bound: {"at": "p25"}}
"""What a class of settings needs to be any."""


def marked() -> Iterator[type[Marked]]:
    """Every settings class of the package whose fields are marked."""
    left: list[type[BaseModel]] = list(Marked.__subclasses__())
    while left:
        kind = left.pop()
        left += kind.__subclasses__()
        if kind.__module__.startswith("trimtab.") and kind.__name__ != "MeasureSettings":
            assert issubclass(kind, Marked)
            yield kind


def shaping(kind: type[BaseModel]) -> set[str]:
    return {name for name in kind.model_fields if isinstance(effect_of(kind, name), Shapes)}


def identity(kind: type[BaseModel], **changes: Any) -> str:
    """Identity of a study in which settings of one class are changed."""
    content: dict[str, Any] = {"models": ["m"], "behaviors": [{"source": "corrigible"}]}
    if kind is Study:
        content |= changes
    elif kind is ModelSetting:
        content["models"] = [{"id": "m", **changes}]
    elif kind is BehaviorSetting:
        content["behaviors"] = [{"source": "corrigible", **changes}]
    else:
        content[kind.__name__.lower()] = NEEDED.get(kind, {}) | changes
        if kind is Bound:
            content["scale"] = "cap"
    return make_study(content).identity(["h"])


def test_identities_are_those_that_runs_were_begun_with() -> None:
    # A key that is added later is marked `Shapes(unless=...)`, so that it leaves these alone.
    # The scale that was meant by leaving it out is another one now; said, it is the same run, strengths and all.
    assert make_study({**ONE, "scale": "raw"}).identity(["h", "g"]) == "83d9b19d6daca933"
    assert make_study(ONE).identity(["h", "g"]) == "90660e8e9a6e2dfc"
    assert make_study(EVERYTHING).identity(["h", "g"]) == "28833fd3fd4060c1"


def test_a_run_whose_numbers_an_earlier_version_made_is_another_run(monkeypatch: pytest.MonkeyPatch) -> None:
    # Replies were not read behind other prompts then.
    monkeypatch.setattr(Replies, "numbers", 1)
    assert make_study(EVERYTHING).identity(["h", "g"]) == "1f2dcc73b97d6cda"


@pytest.mark.parametrize("kind", sorted(set(marked()), key=str))
def test_every_field_of_every_settings_class_is_marked(kind: type[Marked]) -> None:
    assert all(isinstance(effect_of(kind, name), Shapes | Effect) for name in kind.model_fields)
    assert shaping(kind) == set(OTHER.get(kind, {})), "give another value of the setting in OTHER"


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, values in OTHER.items() for name in values])
def test_another_value_of_a_setting_that_shapes_numbers_is_another_run(kind: type[BaseModel], name: str) -> None:
    beside: dict[str, Any] = BESIDE.get(name, {})
    assert identity(kind, **beside, **{name: OTHER[kind][name]}) != identity(kind, **beside)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (Study, {"name": "other", "folder": "/tmp"}),
        (Study, {"dose": True}),
        (Study, {"sweep": False}),
        (Study, {"diagnosis": True, "side_effects": True, "robustness": True, "projection": True}),
        (Study, {"projection": False}),
        (ModelSetting, {"groups": {"a": "b"}, "facts": {"layers": 3}, "resources": {"gpus": 2}, "stream": True}),
        (BehaviorSetting, {"skip_bad": True, "size": {"pairs": 100, "characters": 100}}),
        (Replies, {"judges": [{"pattern": "a"}], "search": "halving", "min_coherence": 3, "prompts": 4}),
    ],
)
def test_what_only_adds_to_a_run_or_shapes_no_number_leaves_it_the_same(
    kind: type[BaseModel], changes: dict[str, Any]
) -> None:
    assert identity(kind, **changes) == identity(kind)


def test_engine_options_that_shape_numbers_count_and_those_that_spread_a_model_do_not() -> None:
    def with_options(**options: Any) -> str:
        return identity(ModelSetting, engine="vllm", engine_options=options)

    assert with_options(tensor_parallel_size=2) == with_options()
    assert with_options(quantization="fp8") != with_options()


def test_a_key_that_is_added_later_leaves_existing_runs_alone_until_it_is_used() -> None:
    class Longer(Study):
        temperature: Annotated[float, Shapes(unless=0.0)] = 0.0

    assert Longer.model_validate(ONE).identity(["h"]) == make_study(ONE).identity(["h"])
    assert Longer.model_validate({**ONE, "temperature": 1.0}).identity(["h"]) != make_study(ONE).identity(["h"])


def test_a_field_without_a_mark_is_refused_where_the_class_is_written() -> None:
    with pytest.raises(TypeError, match=r"Forgetful\.temperature: mark it"):

        class Forgetful(Marked):
            temperature: float = 0.0


def test_settings_inside_of_settings_are_looked_into() -> None:
    class Inner(Marked):
        shapes: Annotated[int, SHAPES] = 1
        adds: Annotated[int, ADDS] = 2

    class Outer(Marked):
        one: Annotated[Inner, SHAPES] = Inner()
        several: Annotated[tuple[Inner, ...], SHAPES] = (Inner(), Inner())
        none: Annotated[Inner | None, SHAPES] = None
        name: Annotated[str, NO_NUMBERS] = "x"

    assert shaping_part(Outer()) == {"one": {"shapes": 1}, "several": [{"shapes": 1}, {"shapes": 1}], "none": None}
    assert issubclass(Marked, Strict)


def test_every_built_in_measure_has_its_key_in_the_study_file() -> None:
    for name in BUILT_IN:
        settings = MEASURES.get(name).settings
        if name in OF_STUDY:
            assert settings is None
        else:
            assert settings is not None
            assert settings in get_args(Study.model_fields[name].annotation)
            assert make_study({**ONE, name: True}).measures == {name: settings()}
