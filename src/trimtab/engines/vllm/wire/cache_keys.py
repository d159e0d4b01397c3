"""Keys and values that steering leaves behind are found again only by requests with the same steering.

vLLM finds a prompt's blocks by a hash of their tokens. A block that holds a steered token gets the steering's salt into
its hash, here, inside the engine, so that no client can forget it. Blocks before the first steered token are what they
are without steering, and every request may share them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from trimtab.engines.vllm.wire.spec import KEY, Spec, parse_spec

_NAME = "generate_block_hash_extra_keys"


def install() -> None:
    """Put the salt into the hashes of this process's blocks, once."""
    from vllm.v1.core import kv_cache_utils

    original = getattr(kv_cache_utils, _NAME)
    if hasattr(original, "trimtab"):
        return
    salted = salting(original)
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("vllm.") and vars(module).get(_NAME) is original:
            setattr(module, _NAME, salted)


def salting(original: Callable[..., Any]) -> Callable[..., Any]:
    """VLLM's function with the salt added."""

    @wraps(original)
    def keys_of_block(request: Any, start_token_idx: int, end_token_idx: int, start_mm_idx: int) -> Any:
        keys, next_mm = original(request, start_token_idx, end_token_idx, start_mm_idx)
        own = _own_keys(request, end_token_idx)
        return (keys if not own else (*(keys or ()), *own)), next_mm

    keys_of_block.trimtab = True  # type: ignore[attr-defined]
    return keys_of_block


def _own_keys(request: Any, end: int) -> list[tuple[str, str]]:
    """What tells a block that ends before token `end` from the unsteered one."""
    spec = _spec_of(request)
    if spec is None:
        return []
    keys = []
    salt = spec.block_salt(request.num_prompt_tokens, end)
    if salt is not None:
        keys.append((KEY, salt))
    if spec.read is not None and end > spec.read.start:
        # States are read while they are computed: a block that is found instead would be missing.
        keys.append((f"{KEY}-read", request.request_id))
    return keys


def _spec_of(request: Any) -> Spec | None:
    sampling = request.sampling_params
    given = (sampling.extra_args or {}).get(KEY) if sampling is not None else None
    if given is None:
        return None
    # Asked for each block: read once.
    if not hasattr(request, "trimtab_spec"):
        request.trimtab_spec = parse_spec(given)
    spec: Spec = request.trimtab_spec
    return spec
