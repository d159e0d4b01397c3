"""What both harnesses ask of a generation: texts that end at stop sequences, and draws that can be repeated."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Sequence


class Draws:
    """Seeds for sampled texts: the same evaluation draws the same texts, in whatever order its requests come.

    Every prompt has its own, and each further text for the same prompt (an epoch, a choice) another.
    """

    def __init__(self) -> None:
        self._asked: Counter[tuple[int, tuple[int, ...]]] = Counter()
        self._lock = threading.Lock()

    def seed(self, seed: int, prompt: tuple[int, ...]) -> int:
        """The seed of the next text for a prompt [tokens]; `seed` is that of the evaluation."""
        with self._lock:
            number = self._asked[seed, prompt]
            self._asked[seed, prompt] += 1
        content = f"{seed} {number} {prompt}".encode()
        return int.from_bytes(hashlib.sha256(content).digest()[:6], "big")


def cut(text: str, stops: Sequence[str]) -> str:
    """A text up to the first place where a stop sequence begins."""
    places = [place for place in (text.find(stop) for stop in stops if stop) if place >= 0]
    return text[: min(places)] if places else text


def stops_at(stops: Sequence[str]) -> Callable[[str], bool] | None:
    """Whether a text holds one of some stop sequences; None where there are none."""
    wanted = [stop for stop in stops if stop]
    return (lambda text: any(stop in text for stop in wanted)) if wanted else None
