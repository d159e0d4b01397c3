"""Conditions of an external table, such as system prompts, and what becomes of rows under them."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimtab._util.suggest import hint
from trimtab._util.wording import listed, plural
from trimtab.analysis.imported import ITEMS
from trimtab.errors import SettingError, TrimtabWarning
from trimtab.importing._external_table import ExternalTable, Flags

PLAIN = "none"
"""The condition without a prompt, unless another is named."""
MAX_LISTED = 10


def conditions_of(table: ExternalTable, plain: str | None) -> tuple[NDArray[np.object_], Flags]:
    """Return the condition of each row, and whether it is the plain one; all rows are plain without such a column.

    Args:
        table: The table. Its problems are collected there.
        plain: The plain condition; `none` if None.

    Raises:
        SettingError: When no row is under the plain condition, or one is named and there is no column.
    """
    if table.column("condition") is None:
        if plain is not None and "condition" not in table.mapping:
            raise SettingError(f"--plain {plain}: there are no conditions; name their column with --map condition=…")
        return np.full(len(table), PLAIN, dtype=object), np.ones(len(table), dtype=bool)
    condition = table.texts("condition")
    known = list(dict.fromkeys(text for text in condition if text))
    name = PLAIN if plain is None else plain
    if known and name not in known:
        if plain is None:
            raise SettingError(
                f"no row has the condition {PLAIN!r}; say with --plain which one is without a prompt: "
                f"{listed([repr(text) for text in known], MAX_LISTED)}"
            )
        raise SettingError(f"--plain: no row has the condition {name!r}{hint(name, known, 'conditions')}")
    return condition, (condition == name).astype(bool)


def items_of(rows: pd.DataFrame) -> pd.DataFrame | None:
    """Return the rows of all conditions as a table of items; None where they add nothing to the samples.

    Args:
        rows: Finished rows of an external table.
    """
    if rows["plain"].all() and rows["p_first"].isna().all() and (rows["unscored"] == "").all():
        return None
    for (model, behavior, why), found in rows[rows["unscored"] != ""].groupby(
        ["model", "behavior", "unscored"], sort=False
    ):
        of = rows[(rows["model"] == model) & (rows["behavior"] == behavior)]["prompt_id"].nunique()
        prompts = [str(prompt) for prompt in found["prompt_id"].unique()]
        _warn(
            f"{behavior} ({model}): {len(prompts)} of {plural(of, 'prompt')} cannot be scored in "
            f"{plural(len(found), 'row')}, because {why}: {listed(prompts, MAX_LISTED)}"
        )
    items: pd.DataFrame = rows[list(ITEMS)].reset_index(drop=True)
    return items


def _warn(text: str) -> None:
    warnings.warn(text, TrimtabWarning, stacklevel=2)
