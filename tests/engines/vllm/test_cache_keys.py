"""Keys and values that steering leaves behind are found again only by the same steering."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from trimtab.engines.vllm.wire.cache_keys import salting
from trimtab.engines.vllm.wire.spec import KEY, Push, Read, Spec

SIZE = 4
STEERED = Spec((Push("v", (3,), 1.0),), "after_prompt")


@dataclass
class Sampling:
    extra_args: dict[str, Any] | None


@dataclass
class Request:
    """What the plugin sees of vLLM's request."""

    spec: Spec | None = None
    num_prompt_tokens: int = 10
    request_id: str = "a"
    lora: str | None = None
    sampling_params: Sampling | None = field(init=False)

    def __post_init__(self) -> None:
        self.sampling_params = Sampling(None if self.spec is None else {KEY: self.spec.to_json()})


def original(request: Request, start: int, end: int, mm: int) -> tuple[tuple[Any, ...] | None, int]:
    """As vLLM's: nothing for a plain request."""
    return ((("lora", request.lora),) if request.lora else None), mm + 1


def chain(request: Request, blocks: int = 5) -> list[Any]:
    """What is added to each block's tokens, block by block."""
    return [salting(original)(request, start, start + SIZE, 0)[0] for start in range(0, blocks * SIZE, SIZE)]


def test_unsteered_requests_have_the_keys_that_vllm_gives_them() -> None:
    assert chain(Request()) == [None] * 5
    assert chain(Request(Spec())) == [None] * 5
    assert chain(Request(lora="x")) == [(("lora", "x"),)] * 5
    pooling = Request()
    pooling.sampling_params = None
    assert chain(pooling) == [None] * 5


def test_blocks_before_the_first_steered_token_are_the_unsteered_ones() -> None:
    """Token 9, the last of the prompt, is the first that is pushed: it stands in the third block."""
    keys = chain(Request(STEERED))
    assert keys[:2] == [None, None]
    assert None not in keys[2:]


@pytest.mark.parametrize("positions", ["all", "prompt"])
def test_steering_from_the_beginning_shares_no_block(positions: Any) -> None:
    assert None not in chain(Request(replace(STEERED, positions=positions)))


def test_steering_the_first_token_only_in_a_prompt_of_one_token() -> None:
    prompt_only = replace(STEERED, positions="prompt")
    assert chain(Request(prompt_only, num_prompt_tokens=1)) == [None] * 5
    assert None not in chain(Request(replace(prompt_only, first_token=True), num_prompt_tokens=1))


def test_two_steerings_have_keys_of_their_own() -> None:
    other = replace(STEERED, pushes=(Push("v", (3,), 2.0),))
    assert not set(chain(Request(STEERED))[2:]) & set(chain(Request(other))[2:])


def test_two_requests_with_the_same_steering_share_all_blocks() -> None:
    assert chain(Request(STEERED, request_id="a")) == chain(Request(STEERED, request_id="b"))


def test_a_prompt_that_goes_on_from_a_steered_reply_does_not_find_the_replys_block() -> None:
    """Prompts of 10 and 11 tokens: in the block of tokens 8 to 11, token 9 is pushed in one and not in the other."""
    first, next_turn = (chain(Request(STEERED, num_prompt_tokens=length)) for length in (10, 11))
    assert first[:2] == next_turn[:2]
    assert first[2] != next_turn[2]


def test_what_vllm_itself_adds_stays() -> None:
    keys = chain(Request(STEERED, lora="x"))
    assert keys[0] == (("lora", "x"),)
    assert keys[2][0] == ("lora", "x")
    assert len(keys[2]) == 2


def test_the_place_in_multimodal_inputs_is_handed_on() -> None:
    assert salting(original)(Request(STEERED), 8, 12, 6)[1] == 7


def test_a_read_finds_no_block_that_holds_tokens_to_be_read() -> None:
    """States are read while they are computed."""
    spec = Spec(read=Read(5, 9, (1,)))
    one, two = (chain(Request(spec, request_id=name)) for name in ("a", "b"))
    assert one[0] is two[0] is None
    assert not set(one[1:]) & set(two[1:])


def test_a_steered_read_has_both_keys() -> None:
    keys = chain(Request(replace(STEERED, read=Read(0, 9))))
    assert [len(key) for key in keys] == [1, 1, 2, 2, 2]


def test_a_spec_is_read_once_for_all_blocks_of_a_request() -> None:
    request = Request(STEERED)
    salting(original)(request, 0, SIZE, 0)
    assert request.sampling_params is not None
    request.sampling_params.extra_args = {KEY: "broken"}
    assert chain(request)[2] is not None
