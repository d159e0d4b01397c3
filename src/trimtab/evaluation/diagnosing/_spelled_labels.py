"""Answer labels in open pairs: completions that one of two labels or words distinguishes, whatever follows it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.data.formats.completion_labels import read_label

MIN_PAIRS = 4
LABELLED = 0.2
"""Share of the open pairs that begin with the same two labels from which these are looked at as labels."""
SAME_TOKENS = 0.5
"""The same for two first tokens that are no known labels: two words may well begin many texts."""
MIN_TURNED = 2
"""Pairs with either label as the positive one: without them nothing tells the label from the behavior."""


def label_signs(pairs: Sequence[Mapping[str, Any]]) -> tuple[NDArray[np.float64], list[str]]:
    """The label that each open pair's completions begin with.

    Args:
        pairs: rows with `PAIR_COLUMNS`.

    Returns:
        For each pair +1 or −1, by which of the two labels is the positive one, and that label; 0 and "" for choice
        pairs and for pairs that no label tells apart. Labels that are positive in every pair count only where the
        completions are nothing else: of texts that all begin with Yes the rest may still be distinguished from it.
    """
    groups: dict[tuple[bool, tuple[str, ...]], list[int]] = defaultdict(list)
    first: dict[int, str] = {}
    bare: dict[int, bool] = {}
    open_pairs = [number for number, row in enumerate(pairs) if not row["label"]]
    for number in open_pairs:
        found = _couple(pairs[number])
        if found:
            known, labels, bare[number] = found
            groups[known, tuple(sorted(labels))].append(number)
            first[number] = labels[0]
    sign, label = np.zeros(len(pairs)), [""] * len(pairs)
    for (known, names), numbers in groups.items():
        if len(numbers) < max(MIN_PAIRS, (LABELLED if known else SAME_TOKENS) * len(open_pairs)):
            continue
        turned = sum(first[number] == names[0] for number in numbers)
        both = min(turned, len(numbers) - turned) >= MIN_TURNED
        if both or (len(numbers) == len(pairs) and turned in (0, len(numbers)) and all(bare[n] for n in numbers)):
            for number in numbers:
                sign[number] = 1.0 if first[number] == names[0] else -1.0
                label[number] = first[number]
    return sign, label


def _couple(row: Mapping[str, Any]) -> tuple[bool, tuple[str, str], bool] | None:
    """Whether these are known labels, the positive and the negative one, and whether there is nothing else."""
    positive, negative = read_label(str(row["positive"])), read_label(str(row["negative"]))
    if positive and negative and positive.kind == negative.kind and positive.value != negative.value:
        return True, (positive.value, negative.value), not (positive.text or negative.text)
    words = [str(row[f"{side}_first"]).strip().casefold() for side in ("positive", "negative")]
    if all(words) and words[0] != words[1]:
        return False, (words[0], words[1]), False
    return None
