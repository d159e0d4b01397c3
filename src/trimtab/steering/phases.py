"""Phases of a reply, token by token: whether thinking is open behind each of them.

The last marker up to a token decides: behind the one that opens thinking it is open, behind the one that closes it the
reply itself has begun. Without any marker, the reply begins with its first token: before it nobody knows whether the
model will think.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trimtab.models import ThinkingMarkers, require_thinking_markers
from trimtab.models.backbone import Identity
from trimtab.steering.interventions import Intervention
from trimtab.steering.positions import RESPONSE, THINKING, is_steered, parse_positions


def phases(ids: Tensor, in_reply: Tensor, markers: ThinkingMarkers) -> Tensor:
    """The phase behind each token: `THINKING`, `RESPONSE`, or 0 where neither has begun.

    Args:
        ids: tokens of whole sequences from their beginning on, [..., tokens].
        in_reply: True at tokens of the reply, like `ids`.
        markers: of the model.

    Returns:
        Integers like `ids`.
    """
    opens, closes = ids == markers.begin, ids == markers.end
    places = torch.arange(ids.shape[-1], device=ids.device).expand_as(ids)
    last = torch.where(opens | closes, places, torch.full_like(places, -1)).cummax(-1).values
    found = torch.where(opens, THINKING, RESPONSE).gather(-1, last.clamp(min=0))
    return torch.where(last >= 0, found, in_reply.long() * RESPONSE)


def markers_for(cells: Sequence[Intervention | None], identity: Identity) -> ThinkingMarkers | None:
    """The markers of a model's thinking, where some positions need them; None where none do.

    Raises:
        SettingError: where the model has none.
    """
    return markers_of({cell.positions for cell in cells if cell is not None}, identity.tokenizer, identity.name)


def markers_of(positions: set[str], tokenizer: object, name: str) -> ThinkingMarkers | None:
    """As `markers_for`, of positions by themselves."""
    if any(parse_positions(one).reads_tokens for one in positions):
        return require_thinking_markers(tokenizer, name)
    return None


def steered_tokens(
    positions: str, tokens: Sequence[int], prompt_length: int, first_token: bool, markers: ThinkingMarkers | None
) -> Tensor:
    """Which tokens of one sequence are pushed, boolean [tokens].

    Args:
        positions: a form of `POSITIONS`.
        tokens: the sequence from its beginning on.
        prompt_length: how many of them are prompt.
        first_token: whether token 0, the attention sink, may be pushed.
        markers: of the model, for `thinking` and `response`.
    """
    place, length = torch.arange(len(tokens)), torch.tensor(prompt_length)
    phase = None if markers is None else phases(torch.tensor(list(tokens)), place >= prompt_length, markers)
    return is_steered(positions, place, length, first_token, phase)


class NextToken:
    """Decides whether each next token of a text that is being written is pushed, given the tokens one by one."""

    def __init__(self, cell: Intervention | None, prompt: Sequence[int], markers: ThinkingMarkers | None):
        self._policy = None if cell is None else parse_positions(cell.positions)
        self._length = self._place = len(prompt)
        self._markers = markers
        self._thinks: bool | None = None
        """Whether the last marker opens thinking; None without any."""
        if self._policy is not None and self._policy.reads_tokens:
            assert markers is not None
            self._see(markers.last_in(prompt))

    def _see(self, token: int) -> None:
        assert self._markers is not None
        if token in (self._markers.begin, self._markers.end):
            self._thinks = token == self._markers.begin

    def add(self, token: int) -> bool:
        """Take in the next token behind the prompt; True where it is pushed."""
        policy, behind = self._policy, self._place - self._length
        self._place += 1
        if policy is None or not policy.may_push_reply:
            return False
        if policy.kind == "first":
            return behind < policy.count - 1
        if policy.kind == "after":
            return behind >= policy.count - 1
        if policy.kind == "tokens":
            return self._place - 1 in policy.indices
        if policy.reads_tokens:
            self._see(token)
            return bool(self._thinks) == (policy.kind == "thinking")
        return True
