"""What a request says of its steering: read at the admission, refused in words, and named by what it does."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trimtab.engines.vllm.wire.spec import MAX_CHARACTERS, MAX_PUSHES, Push, Read, Spec, parse_spec
from trimtab.errors import SettingError
from trimtab.steering import Positions, is_steered, push_scales

PUSH = {"vector": "cheerful", "layers": [14], "strength": 0.1}
POLICIES = ("all", "after_prompt", "prompt", "generated", "first:3", "after:2", "tokens:2,4,-1")

pushes = st.builds(
    Push,
    vector=st.text(min_size=1, max_size=20),
    layers=st.lists(st.integers(0, 200), min_size=1, max_size=5, unique=True).map(tuple),
    strength=st.floats(-1e8, 1e8),
    scale=st.sampled_from(push_scales()),
    vector_layer=st.none() | st.integers(0, 200),
)
specs = st.builds(
    Spec,
    pushes=st.lists(pushes, max_size=4).map(tuple),
    positions=st.sampled_from(POLICIES),
    first_token=st.booleans(),
    prompt_length=st.none() | st.integers(1, 50),
    read=st.none()
    | st.builds(lambda a, n, ls: Read(a, a + n, tuple(ls)), st.integers(0, 9), st.integers(1, 9), st.just([3])),
)


@given(specs)
def test_a_spec_comes_back_from_json_as_it_went(spec: Spec) -> None:
    assert parse_spec(spec.to_json()) == spec
    assert parse_spec(json.loads(spec.to_json())) == spec


def test_what_is_left_out_has_the_defaults_of_the_python_interface() -> None:
    assert parse_spec({"pushes": [PUSH]}) == Spec(
        (Push("cheerful", (14,), 0.1, "relative", None),), "all", False, None, None
    )
    assert parse_spec("{}") == Spec()


def deep(levels: int) -> str:
    return '{"pushes": ' + "[" * levels + "]" * levels + "}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"),
        ("cheerful", "not JSON"),
        ('{"pushes": [}', "not JSON"),
        (deep(100_000), "not JSON"),
        ('{"prompt_length": ' + "9" * 5000 + "}", "not JSON"),
        ('{"positions": "all", "positions": "prompt"}', "stands there twice"),
        (json.dumps({"pushes": [], "positions": "x" * MAX_CHARACTERS}), "characters"),
        ("[]", "not an object"),
        ("null", "not an object"),
        ("3", "not an object"),
        ('"all"', "not an object"),
    ],
)
def test_what_is_no_object_is_refused(text: str, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        parse_spec(text)


@pytest.mark.parametrize("strange", [None, 3, True, b"{}", [PUSH]])
def test_python_values_that_are_no_spec_are_refused(strange: Any) -> None:
    with pytest.raises(SettingError, match="not an object"):
        parse_spec(strange)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"layer": [3]}, "unknown key 'layer'"),
        ({"pushes": {}}, "pushes is a list"),
        ({"pushes": "cheerful"}, "pushes is a list"),
        ({"pushes": [3]}, "a push: not an object"),
        ({"pushes": [PUSH] * (MAX_PUSHES + 1)}, f"{MAX_PUSHES} are the most"),
        ({"positions": "everywhere"}, "positions 'everywhere' is unknown"),
        ({"positions": ["all"]}, "is unknown"),
        ({"positions": None}, "is unknown"),
        ({"first_token": 1}, "first_token: 1 is not of type bool"),
        ({"first_token": "yes"}, "first_token"),
        ({"prompt_length": 0}, "prompt_length 0"),
        ({"prompt_length": -3}, "prompt_length -3"),
        ({"prompt_length": True}, "prompt_length: True is not of type int"),
        ({"prompt_length": 3.0}, "prompt_length"),
        ({"read": []}, "read: not an object"),
        ({"read": {"start": 0}}, "a read without stop"),
        ({"read": {"stop": 3}}, "a read without start"),
        ({"read": {"start": 3, "stop": 3}}, "reads nothing"),
        ({"read": {"start": -1, "stop": 3}}, "reads nothing"),
        ({"read": {"start": False, "stop": 3}}, "start: False"),
        ({"read": {"start": 0, "stop": 3, "layers": 2}}, "layers is a list"),
        ({"read": {"start": 0, "stop": 3, "layers": [True]}}, "layers: True"),
        ({"read": {"start": 0, "stop": 3, "to": "disk"}}, "read: unknown key 'to'"),
    ],
)
def test_a_spec_that_cannot_be_meant_is_refused_in_words(change: dict[str, Any], said: str) -> None:
    for given_as in ({"pushes": [PUSH], **change}, json.dumps({"pushes": [PUSH], **change})):
        with pytest.raises(SettingError, match=said):
            parse_spec(given_as)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"path": "/etc"}, "a push: unknown key 'path'"),
        ({"vector": 3}, "vector: 3 is not of type str"),
        ({"vector": ""}, "names its vector"),
        ({"layers": 14}, "layers is a list"),
        ({"layers": "14"}, "layers is a list"),
        ({"layers": []}, "give different ones"),
        ({"layers": [3, 3]}, "give different ones"),
        ({"layers": [-1]}, "counted from 0"),
        ({"layers": [True]}, "layers: True"),
        ({"layers": [1.0]}, "layers: 1.0"),
        ({"strength": "1"}, "strength '1' is not a number"),
        ({"strength": True}, "strength True is not a number"),
        ({"strength": None}, "strength None is not a number"),
        ({"strength": float("nan")}, "strength nan"),
        ({"strength": float("inf")}, "strength inf"),
        ({"strength": -float("inf")}, "strength -inf"),
        ({"strength": 10**350}, "strength"),
        ({"scale": "absolute"}, "unknown scale 'absolute'"),
        ({"scale": "kl"}, "not by 'kl'"),
        ({"scale": 1}, "unknown scale 1"),
        ({"scale": ["raw"]}, "unknown scale"),
        ({"vector_layer": True}, "vector_layer: True"),
        ({"vector_layer": "3"}, "vector_layer"),
    ],
)
def test_a_push_that_cannot_be_meant_is_refused_in_words(change: dict[str, Any], said: str) -> None:
    for given_as in ({"pushes": [{**PUSH, **change}]}, json.dumps({"pushes": [{**PUSH, **change}]})):
        with pytest.raises(SettingError, match=said):
            parse_spec(given_as)


@pytest.mark.parametrize("missing", PUSH)
def test_a_push_says_vector_layers_and_strength(missing: str) -> None:
    with pytest.raises(SettingError, match=f"a push without {missing}"):
        parse_spec({"pushes": [{key: value for key, value in PUSH.items() if key != missing}]})


@pytest.mark.parametrize("positions", POLICIES)
@pytest.mark.parametrize("first_token", [False, True])
def test_the_first_steered_token_is_the_first_that_the_policy_marks(positions: Positions, first_token: bool) -> None:
    for length, own in product(range(1, 14), (None, *range(1, 14))):
        spec = Spec((Push("v", (0,), 1.0),), positions, first_token, own)
        marks = is_steered(positions, torch.arange(40), torch.tensor(own or length), first_token)
        expected = next((place for place, marked in enumerate(marks.tolist()) if marked), None)
        assert spec.first_steered(length) == expected
        assert replace(spec, pushes=()).first_steered(length) is None


STEERED = Spec((Push("v", (3, 5), 1.0),), "after_prompt", False, 10)
OTHERS = {
    "another strength": replace(STEERED, pushes=(Push("v", (3, 5), 1.5),)),
    "another layer": replace(STEERED, pushes=(Push("v", (3, 6), 1.0),)),
    "another scale": replace(STEERED, pushes=(Push("v", (3, 5), 1.0, "raw"),)),
    "another vector": replace(STEERED, pushes=(Push("w", (3, 5), 1.0),)),
    "another layer's direction": replace(STEERED, pushes=(Push("v", (3, 5), 1.0, vector_layer=4),)),
    "a second push": replace(STEERED, pushes=(*STEERED.pushes, Push("w", (3,), 1.0))),
    "other positions": replace(STEERED, positions="generated"),
    "the first token too": replace(STEERED, first_token=True),
    "another prompt": replace(STEERED, prompt_length=11),
}


@pytest.mark.parametrize("other", OTHERS)
def test_steering_that_leaves_other_keys_and_values_has_another_salt(other: str) -> None:
    assert STEERED.salt is not None
    assert OTHERS[other].salt != STEERED.salt
    assert OTHERS[other].block_salt(10, 64) != STEERED.block_salt(10, 64)


def test_the_order_of_pushes_at_a_layer_matters() -> None:
    """A projection before a push is not a projection behind it."""
    one, two = Push("v", (3,), 1.0, "project_out"), Push("w", (3,), 1.0)
    assert Spec((one, two)).salt != Spec((two, one)).salt


def test_the_same_steering_has_the_same_salt_however_it_is_written() -> None:
    spec = Spec((Push("v", (3, 5), 1.0),))
    assert parse_spec({"pushes": [{"vector": "v", "layers": [5, 3], "strength": 1}]}) == spec
    assert Spec((Push("v", (5, 3), 1),)).salt == spec.salt
    assert Spec((Push("v", [5, 3], 1),)).steering == spec.steering  # type: ignore[arg-type]
    assert replace(spec, read=Read(0, 3, (1,))).salt == spec.salt
    assert replace(spec, prompt_length=7).salt == spec.salt, (
        "where all tokens are pushed, the prompt's end means nothing"
    )


def test_unsteered_requests_have_no_salt() -> None:
    for spec in (Spec(), Spec(read=Read(0, 3, (1,))), Spec(positions="prompt", prompt_length=4)):
        assert spec.salt is spec.cache_salt is spec.block_salt(20, 16) is None


def marks_before(spec: Spec, prompt_length: int, end: int) -> tuple[bool, ...]:
    """By hand: which tokens before `end` are pushed."""
    length = torch.tensor(spec.prompt_length or prompt_length)
    return tuple(is_steered(spec.positions, torch.arange(end), length, spec.first_token).tolist())


@pytest.mark.parametrize("positions", POLICIES)
def test_blocks_share_a_salt_only_where_the_same_tokens_are_pushed(positions: Positions) -> None:
    """Also where one prompt is the beginning of another, and both end inside of the same block.

    A block's salt is chained into those behind it, so each stands for the whole beginning of its text.
    """
    size, found = 4, {}
    for length, own, first_token in product(range(1, 14), (None, 3, 6), (False, True)):
        spec = Spec((Push("v", (0,), 1.0),), positions, first_token, own)
        chain: tuple[str | None, ...] = ()
        for end in range(size, 21, size):
            chain = (*chain, spec.block_salt(length, end))
            marks = marks_before(spec, length, end)
            assert found.setdefault(chain, marks) == marks
            assert any(marks) == any(chain)


def test_a_request_that_names_its_prompts_length_shares_blocks_with_one_that_has_that_prompt() -> None:
    spec = Spec((Push("v", (0,), 1.0),), "after_prompt")
    assert spec.block_salt(10, 16) == replace(spec, prompt_length=10).block_salt(15, 16)


def test_prompts_of_different_length_share_the_steered_blocks_that_lie_inside_of_both() -> None:
    spec = Spec((Push("v", (0,), 1.0),), "prompt")
    assert spec.block_salt(40, 32) == spec.block_salt(50, 32) != spec.block_salt(31, 32)


def test_pushes_together_are_those_of_both_in_order() -> None:
    one, two = Spec((Push("v", (3,), 1.0),)), Spec((Push("w", (3,), 2.0),))
    assert one.and_also(two) == Spec((*one.pushes, *two.pushes))
    with pytest.raises(SettingError, match="the same positions"):
        one.and_also(replace(two, positions="prompt"))
    with pytest.raises(SettingError, match="are the most"):
        Spec(one.pushes * MAX_PUSHES).and_also(two)


def test_numbers_beyond_any_text_are_refused() -> None:
    for said in ({"prompt_length": 10**30}, {"prompt_length": 2**31 + 1}, {"read": {"start": 0, "stop": 10**30}}):
        with pytest.raises(SettingError):
            parse_spec(said)


def test_pushes_at_thousands_of_layers_are_refused() -> None:
    push = {"vector": "v", "layers": list(range(100)), "strength": 1.0}
    parse_spec({"pushes": [push] * 10})
    with pytest.raises(SettingError, match="more than 1024 layers"):
        parse_spec({"pushes": [push] * 11})


@pytest.mark.parametrize("positions", ["thinking", "response"])
def test_phases_of_a_reply_are_refused_in_words(positions: str) -> None:
    text = json.dumps({"pushes": [{"vector": "v", "layers": [1], "strength": 1.0}], "positions": positions})
    with pytest.raises(SettingError, match=f"vLLM does not push at positions {positions}.*the engine transformers can"):
        parse_spec(text)


def test_listed_tokens_are_pushed_one_by_one_and_share_salts_only_where_the_prompts_end_does_not_matter() -> None:
    fixed, relative = (Spec((Push("v", (3,), 1.0),), where) for where in ("tokens:9,3", "tokens:3,-1"))
    assert fixed.spans(20) == [(3, 4), (9, 10)]
    assert relative.spans(20) == [(3, 4), (19, 20)]
    assert [spec.first_steered(20) for spec in (fixed, relative)] == [3, 3]
    assert fixed.block_salt(20, 16) == fixed.block_salt(30, 16) is not None
    assert relative.block_salt(20, 16) != relative.block_salt(30, 16)
    assert fixed.block_salt(20, 3) is None
