"""Where each token of a pass stands, and how long its prompt is, for passes that somebody else runs.

Positions are absolute. What the prompt is, the caller says, or transformers' `generate` was called with it, or it is
what the first pass with an empty cache holds. Where none of these tells, a pass is refused: pushing other tokens than
the positions say would look like a result.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from trimtab.errors import SettingError
from trimtab.models import ThinkingMarkers, cache_name
from trimtab.steering._generate_arguments import current_generation
from trimtab.steering._prompt_decisions import PromptDecisions
from trimtab.steering._token_histories import Histories
from trimtab.steering.interventions import Intervention
from trimtab.steering.positions import parse_positions

_REMEDY = (
    "; say how many tokens each row's prompt has, steer(…, prompt_lengths=[…]), or steer at positions all, which need "
    "no prompt"
)


@dataclass
class Pass:
    """One forward pass of the decoder."""

    positions: Tensor
    """Absolute position of each token [rows, width]."""
    prompt_lengths: Tensor
    """Tokens of each row's prompt, on the scale of `positions` [rows, 1] or [rows, width]."""
    real: Tensor | None
    """False at padding; None: there is none."""
    before: dict[int, Tensor] = field(default_factory=dict)
    """Layer → its output before anything was pushed, for gates."""
    ran: set[int] = field(default_factory=set)
    """Layers that have run."""
    dtype: torch.dtype = torch.float32
    """Of the residual stream."""
    opened: dict[int, Tensor] = field(default_factory=dict)
    """For each gate on the prompt, by id: which rows it lets push [rows]."""
    phases: Tensor | None = None
    """Of the reply behind each token, where positions need them; see `trimtab.steering.phases`."""


@dataclass
class _Seen:
    """What has gone into a cache in this context."""

    tokens: int
    prompt: int
    """Columns of it that are prompt."""


class Passes:
    """Places the tokens of each pass that runs in one steering context."""

    def __init__(
        self,
        model: nn.Module,
        interventions: Iterable[Intervention | None],
        given: Sequence[int] | None,
        *,
        first_position: int = 0,
        markers: ThinkingMarkers | None = None,
        decisions: PromptDecisions | None = None,
    ):
        """Expect passes.

        Args:
            model: whose passes they are.
            interventions: whose positions count.
            given: tokens of each row's prompt, where the caller knows.
            first_position: what the model calls the position of a text's first token.
            markers: of its thinking, where positions need them.
            decisions: of gates on the prompt, where there are any.

        Raises:
            SettingError: for lengths that no prompt has.
        """
        if given is not None and (
            not len(given) or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in given)
        ):
            raise SettingError(f"prompt_lengths {given!r} are no lengths of prompts; give whole numbers from 1 on")
        self.model, self.given, self.first_position = model, given, first_position
        policies = [parse_positions(c.positions) for c in interventions if c is not None]
        self._decisions = decisions
        self._needs_prompt = decisions is not None or any(policy.needs_prompt for policy in policies)
        self._names_prompt = ", ".join(sorted({policy.text for policy in policies if policy.names_prompt}))
        self._histories = None if markers is None else Histories(markers)
        self._by_cache: WeakKeyDictionary[Any, _Seen] = WeakKeyDictionary()
        self._local = threading.local()

    def require_told(self, arguments: Mapping[str, Any]) -> None:
        """Refuse a call of the model that scores tokens, as training and evaluation loops do, and tells no prompt.

        Without these arguments such a call looks like the first one over a prompt, and counts as that.

        Raises:
            SettingError: naming the argument.
        """
        if not self._needs_prompt or self.given is not None or current_generation(self.model) is not None:
            return
        count = arguments.get("logits_to_keep")
        scores = torch.is_tensor(count) or (isinstance(count, int) and count > 1)
        if arguments.get("labels") is not None or scores:
            raise SettingError(
                f"a pass with {'logits_to_keep' if scores else 'labels'} scores its tokens, and steering cannot tell "
                "where their prompt ends" + _REMEDY
            )

    def locate(self, decoder: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Pass:
        """Place the tokens of a pass that is about to run.

        Raises:
            SettingError: where nothing tells which of its tokens the positions mean.
        """
        inputs = kwargs if not args else {**dict(zip(_parameters(decoder), args, strict=False)), **kwargs}
        if decoder.training and getattr(decoder, "gradient_checkpointing", False):
            raise SettingError(
                "gradient checkpointing runs layers again outside of their pass, where steering cannot place them; "
                "switch it off: model.gradient_checkpointing_disable()"
            )
        ids = inputs.get("input_ids")
        tokens: Tensor = ids if ids is not None else inputs["inputs_embeds"]
        cache = inputs.get(cache_name(decoder), inputs.get("past_key_values"))
        rows, width = tokens.shape[:2]
        past, mask = self._past(cache, inputs.get("attention_mask"), width), inputs.get("attention_mask")
        real = None
        if torch.is_tensor(mask) and mask.dim() == 2:
            if mask.shape[1] < past + width:
                raise SettingError(
                    f"the attention mask has {mask.shape[1]} columns for {past} tokens in the cache and {width} new "
                    "ones, so steering cannot tell where they stand; give a mask that covers both"
                )
            columns = slice(past, past + width)
            positions, real = (mask.long().cumsum(1) - 1)[:, columns], mask[:, columns].bool()
        else:
            positions = _unmasked_positions(inputs.get("position_ids"), mask, past, tokens, self.first_position)
        now = Pass(positions, positions, real)
        if self.given is not None:
            now.prompt_lengths = self._given_lengths(rows, tokens.device)
        elif self._needs_prompt:
            now.prompt_lengths = self._prompt_lengths(now, cache, past, tokens, inputs)
        if self._histories is not None:
            in_reply = now.positions >= now.prompt_lengths
            now.phases = self._histories.phases(ids, cache, past, in_reply, current_generation(self.model))
        if self._decisions is not None:
            in_prompt = now.positions < now.prompt_lengths
            in_prompt = in_prompt if real is None else in_prompt & real
            lengths = now.prompt_lengths.expand(rows, -1)[:, -1]
            now.opened = self._decisions.decide(ids, cache, past, in_prompt, lengths)
        return now

    def _past(self, cache: Any, mask: Any, width: int) -> int:
        if cache is None:
            return 0
        try:
            return int(cache.get_seq_length())
        except ValueError:  # a cache of recurrent states only does not count its tokens
            if torch.is_tensor(mask) and mask.dim() == 2:
                return int(mask.shape[1]) - width
            seen = self._by_cache.get(cache)
            return seen.tokens if seen else 0

    def _given_lengths(self, rows: int, device: torch.device) -> Tensor:
        assert self.given is not None
        count = len(self.given)
        lengths = torch.tensor(self.given, device=device)[:, None]
        if count == rows:
            return lengths
        # Several continuations of each prompt (beams, returned sequences) stand one behind the other in `generate`.
        if count == 1 or (current_generation(self.model) is not None and rows % count == 0):
            return lengths.repeat_interleave(rows // count, 0)
        raise SettingError(f"the batch has {rows} rows, but {count} prompt lengths were given")

    def _prompt_lengths(self, now: Pass, cache: Any, past: int, tokens: Tensor, inputs: dict[str, Any]) -> Tensor:
        """Lengths such that `is_steered` tells prompt from generated tokens of this pass."""
        width = tokens.shape[1]
        generation = current_generation(self.model)
        seen = None if cache is None else self._by_cache.get(cache)
        if generation is not None and self._names_prompt and past and seen is None:
            raise SettingError(
                f"the cache holds {past} tokens of a prompt that was run outside of this steer context, so positions "
                f"{self._names_prompt} cannot be pushed any more; run the whole prompt inside"
            )
        if generation is not None:
            prompt = generation.require_own(cache, past, width, embedded=inputs.get("input_ids") is None)
        elif cache is None:
            self._require_new(tokens)
            return now.positions.amax(1, keepdim=True) + 1
        elif past == 0:
            prompt = width
        else:
            prompt = _require_next_token(seen, past, width)
        if cache is not None:
            self._by_cache[cache] = _Seen(past + width, prompt)
        if generation is None and past == 0:
            return now.positions.amax(1, keepdim=True) + 1
        # In columns, whatever the padding on the left: prompts end at the same one.
        return now.positions - (torch.arange(past, past + width, device=tokens.device) - prompt)

    def _require_new(self, tokens: Tensor) -> None:
        """A pass without a cache is a prompt, unless it looks like the next step over the one before."""
        if tokens.shape[1] == 1:
            raise SettingError(
                "a pass holds one token: steering cannot tell whether that is the whole prompt" + _REMEDY
            )
        last = getattr(self._local, "uncached", None)
        self._local.uncached = tokens
        if last is None or last.shape[1] >= tokens.shape[1] or last.shape[0] != tokens.shape[0]:
            return
        if torch.equal(tokens[:, : last.shape[1]], last):
            raise SettingError(
                "a pass repeats the tokens of the one before and adds some: steering cannot tell whether it continues "
                "with the same prompt or is a longer prompt" + _REMEDY
            )

    def note_output(self, output: Any) -> None:
        """After a pass: a cache that the model has made in it holds what the pass brought."""
        tokens = getattr(self._local, "uncached", None)
        cache = _cache_in(output)
        if self._histories is not None:
            self._histories.note_cache(cache)
        if self._decisions is not None:
            self._decisions.note_cache(cache)
        if tokens is not None and cache is not None and cache not in self._by_cache:
            self._by_cache[cache] = _Seen(tokens.shape[1], tokens.shape[1])


def _require_next_token(seen: _Seen | None, past: int, width: int) -> int:
    """The prompt's columns, where a pass brings the next token of a sequence begun in this context."""
    if seen is None:
        raise SettingError(
            f"the cache holds {past} tokens that were run outside of this steer context, as of an earlier turn: "
            "steering cannot tell where the prompt ends" + _REMEDY
        )
    if width > 1:
        raise SettingError(
            f"a pass of {width} tokens continues a cache of {past}, as in chunked prefill, assisted decoding or a next "
            "turn: steering cannot tell which of them are prompt" + _REMEDY
        )
    if not seen.prompt <= past <= seen.tokens:
        raise SettingError(
            f"the cache holds {past} tokens, but {seen.tokens} were run in this steer context ({seen.prompt} of them "
            "prompt): steering cannot tell where the prompt ends" + _REMEDY
        )
    return seen.prompt


def _unmasked_positions(position_ids: Any, mask: Any, past: int, tokens: Tensor, first: int) -> Tensor:
    rows, width = tokens.shape[:2]
    if torch.is_tensor(position_ids) and position_ids.dim() == 2 and position_ids.shape[1] == width:
        return position_ids.expand(rows, width) - first
    if mask is not None and rows > 1:
        raise SettingError(
            "steering reads padding from an attention mask [rows, tokens], or positions from position_ids [rows, "
            "tokens]; this pass over several rows has neither"
        )
    return torch.arange(past, past + width, device=tokens.device).expand(rows, width)


def _parameters(decoder: nn.Module) -> list[str]:
    return list(inspect.signature(decoder.forward).parameters)


def _cache_in(output: Any) -> Any:
    """The cache that a decoder returns, in any of its forms."""
    if isinstance(output, (tuple, list)):
        return next((part for part in output if hasattr(part, "get_seq_length")), None)
    return next((c for name in ("cache", "past_key_values") if (c := getattr(output, name, None)) is not None), None)
