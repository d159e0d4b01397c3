"""Parts and samples of a behavior, chosen by a seed and stratified by answer label."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

from trimtab.data.hash_order import content_key, prompt_key, rank
from trimtab.data.pairs import Behavior, Part
from trimtab.errors import DataError, SettingError

MIN_PAIRS = 4
"""Fewer pairs in a part say nothing."""

_PARTS: tuple[Part, ...] = tuple(part for part in get_args(Part) if part != "all")


def split(
    behavior: Behavior, shares: tuple[float, float, float] = (0.5, 0.25, 0.25), seed: int = 0
) -> tuple[Behavior, Behavior, Behavior]:
    """Three disjoint parts: pairs for extraction, prompts for choosing the layer, prompts for reporting.

    Pairs with the same prompt go into the same part, and each part holds the answer labels in about the same
    proportion. The parts follow from the pairs and the seed alone, not from the order of the pairs.

    Raises:
        DataError: when a part would hold fewer than four pairs, or the behavior is itself a part.
        SettingError: when the shares are not three positive numbers that add up to 1.
    """
    labels = [pair.label for pair in behavior]
    found = allotted(behavior.name, behavior.part, list(map(prompt_key, behavior)), "pair", shares, seed, labels)
    train, select, test = (replace(behavior, pairs=tuple(behavior[i] for i in rows), part=part) for part, rows in found)
    return train, select, test


def allotted(
    name: str,
    part: Part,
    keys: Sequence[str],
    unit: str,
    shares: Sequence[float],
    seed: int,
    labels: Sequence[str] = (),
) -> list[tuple[Part, list[int]]]:
    """Three disjoint parts of some items, as their indices in order.

    Args:
        name: of what is split, for messages.
        part: which part it is already; only a whole can be split.
        keys: of the items: those with the same key go into the same part.
        unit: what messages call an item.
        shares: of the parts.
        seed: which items go where.
        labels: of the items; each part holds them in about the same proportion.

    Raises:
        DataError: when a part would hold fewer than four items, or this is itself a part.
        SettingError: when the shares are not three positive numbers that add up to 1.
    """
    _check_shares(shares)
    if part != "all":
        raise DataError(f"{name}: this is the {part} part already; split the whole")
    groups: dict[str, list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        groups[key].append(index)
    part_of = _allot(groups, labels or [""] * len(keys), shares, seed)
    parts: list[list[int]] = [[], [], []]
    for index, key in enumerate(keys):
        parts[part_of[key]].append(index)
    if min(map(len, parts)) < MIN_PAIRS:
        raise DataError(_too_few(name, unit, parts, len(groups), shares))
    return list(zip(_PARTS, parts, strict=True))


def sample(behavior: Behavior, limit: int, seed: int = 0) -> Behavior:
    """At most `limit` pairs, with the answer labels in the same proportion, in the order of the file.

    Raises:
        SettingError: when the limit is below 1.
    """
    if limit < 1:
        raise SettingError(f"limit {limit}: ask for at least one pair")
    if limit >= len(behavior):
        return behavior
    strata: dict[str, list[int]] = defaultdict(list)
    for index, pair in enumerate(behavior):
        strata[pair.label].append(index)
    quotas = _quotas({label: len(indices) for label, indices in strata.items()}, limit)
    kept: set[int] = set()
    for label, indices in strata.items():
        indices.sort(key=lambda index: rank(seed, "sample", content_key(behavior[index])))
        kept.update(indices[: quotas[label]])
    return replace(behavior, pairs=tuple(pair for index, pair in enumerate(behavior) if index in kept))


def _check_shares(shares: Sequence[float]) -> None:
    right = len(shares) == len(_PARTS) and all(math.isfinite(share) and share > 0 for share in shares)
    if not right or abs(sum(shares) - 1) > 1e-6:
        raise SettingError(f"shares {tuple(shares)}: give three positive numbers that add up to 1")


def _allot(groups: dict[str, list[int]], labels: Sequence[str], shares: Sequence[float], seed: int) -> dict[str, int]:
    """The part of every prompt: stratum after stratum, each goes to the part that is most behind its share.

    As the strata follow one another, the parts' totals stay within one prompt of their shares and every
    stratum within two. Prompts with many pairs come first, when there is still room to make up for them.
    """

    def order(key: str) -> tuple[tuple[str, ...], int, str]:
        of_group = tuple(sorted({labels[index] for index in groups[key]}))
        return of_group, -len(groups[key]), rank(seed, "split", key)

    part_of: dict[str, int] = {}
    sizes = [0] * len(shares)
    total = 0
    for key in sorted(groups, key=order):
        total += len(groups[key])
        behind = [share * total - size for share, size in zip(shares, sizes, strict=True)]
        part_of[key] = behind.index(max(behind))
        sizes[part_of[key]] += len(groups[key])
    return part_of


def _too_few(name: str, unit: str, parts: Sequence[Sequence[int]], n_prompts: int, shares: Sequence[float]) -> str:
    sizes = ", ".join(str(len(rows)) for rows in parts)
    # One more than its share, as rounding may take one away.
    needed = math.ceil(MIN_PAIRS / min(shares) - 1e-9)
    if n_prompts >= needed:
        needed = n_prompts + len(parts)
    return (
        f"{name}: {sum(map(len, parts))} {unit}s with {n_prompts} different prompts are too few to split: "
        f"the parts would hold {sizes} {unit}s and each needs {MIN_PAIRS}; give at least {needed} prompts"
    )


def _quotas(sizes: dict[str, int], limit: int) -> dict[str, int]:
    """How many to take of each label: proportional, the largest remainders rounded up."""
    total = sum(sizes.values())
    exact = {label: limit * size / total for label, size in sizes.items()}
    quotas = {label: int(share) for label, share in exact.items()}
    by_remainder = sorted(exact, key=lambda label: (quotas[label] - exact[label], label))
    for label in by_remainder[: limit - sum(quotas.values())]:
        quotas[label] += 1
    return quotas
