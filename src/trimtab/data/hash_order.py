"""Choosing at random, the same on every machine and Python version: by hash, never by a generator's state."""

from __future__ import annotations

import hashlib
import json

from trimtab.data.pairs import Pair


def rank(seed: int, purpose: str, text: str) -> str:
    """Sort key that puts texts into a random order; the order depends on nothing but these three."""
    content = json.dumps([seed, purpose, text])
    return hashlib.sha256(content.encode()).hexdigest()


def prompt_key(pair: Pair) -> str:
    """Equal for two pairs that ask the same; runs of white space count as one space."""
    if isinstance(pair.prompt, str):
        return " ".join(pair.prompt.split())
    return json.dumps([[m["role"], " ".join(m["content"].split())] for m in pair.prompt])


def content_key(pair: Pair) -> str:
    """Equal for two pairs that are the same but for their id and meta."""
    return json.dumps([prompt_key(pair), pair.positive, pair.negative, pair.choices, pair.listed])
