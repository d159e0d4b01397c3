"""What was written in a conversation and under which settings, and how it is saved."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from trimtab._util.atomic_files import write_whole
from trimtab.data import Message
from trimtab.errors import SettingError

FORMAT = "trimtab-chat-1"


@dataclass(frozen=True)
class Turn:
    """A message and its reply."""

    message: str
    reply: str
    system: str = ""
    steering: Mapping[str, Any] | None = None
    """The push, as plain values; None: unsteered."""
    sampling: Mapping[str, Any] = field(default_factory=dict)
    """Temperature, seed and the number of tokens that the reply could have."""
    unsteered: str = ""
    """The unsteered reply to the same, where it was compared."""
    stopped: bool = False
    """Whether the person stopped the reply before its end."""


def messages(turns: Sequence[Turn]) -> list[Message]:
    """The conversation without its system message."""
    return [
        message
        for turn in turns
        for message in (Message(role="user", content=turn.message), Message(role="assistant", content=turn.reply))
    ]


def save(path: Path, turns: Sequence[Turn], about: Mapping[str, Any]) -> None:
    """Write a conversation as JSON lines or Markdown, as the name of the file ends; whole or not at all.

    Args:
        path: `.jsonl` or `.md`.
        turns: The conversation.
        about: The model.

    Raises:
        SettingError: For another ending, or where it cannot be written.
    """
    kinds = {".jsonl": _json_lines, ".md": _markdown}
    if path.suffix not in kinds:
        raise SettingError(f"{path}: a conversation is saved as JSON lines or Markdown; end the name in .jsonl or .md")
    write_whole(path, kinds[path.suffix](turns, about), what="the conversation", error=SettingError)


def _json_lines(turns: Sequence[Turn], about: Mapping[str, Any]) -> str:
    """A line about the model, then one for each turn."""
    rows: list[Mapping[str, Any]] = [{"format": FORMAT, **about}, *(asdict(turn) for turn in turns)]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _markdown(turns: Sequence[Turn], about: Mapping[str, Any]) -> str:
    parts = [f"# Chat with {about['model']}"]
    last = ""
    for turn in turns:
        how = ", ".join(f"{name} {value}" for name, value in turn.sampling.items())
        setting = f"_{_in_words(turn.steering)}; {how}_"
        if setting != last:
            parts.append(setting)
        last = setting
        parts += [f"**system:** {turn.system}"] if turn.system else []
        parts.append(f"**user:** {turn.message}")
        parts += [f"**unsteered:** {turn.unsteered}"] if turn.unsteered else []
        parts.append(f"**{'steered' if turn.steering else 'assistant'}:** {turn.reply}{' (stopped)' * turn.stopped}")
    return "\n\n".join(parts) + "\n"


def _in_words(steering: Mapping[str, Any] | None) -> str:
    if steering is None:
        return "unsteered"
    return ", ".join(f"{name} {'+'.join(map(str, value)) if isinstance(value, list) else value}"
                     for name, value in steering.items() if value not in (None, False))  # fmt: skip
