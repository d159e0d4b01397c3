"""Costs of language models on the command line: parsing prices, and asking before anything is spent."""

from __future__ import annotations

import sys

import click

from trimtab.cli.terminal import echo
from trimtab.errors import RunError, SettingError


def agreed(what: str, cost: str, instead: str) -> bool:
    """Print a cost, and ask whether to continue.

    Args:
        what: The paid step, such as "judging".
        cost: Its cost.
        instead: Advice where nobody can be asked, such as "give --yes, or another judge".

    Raises:
        RunError: When nobody can be asked.
    """
    echo(f"{what} would take\n{cost}", err=True)
    if not sys.stdin.isatty():
        raise RunError(f"nobody is here to agree to that; {instead}")
    return click.confirm("Go on?", err=True)


def prices(text: str | None) -> tuple[float, float] | None:
    """Parse dollars per million tokens, in and out, from "0.15,0.6".

    Raises:
        SettingError: When these are not two numbers.
    """
    if text is None:
        return None
    try:
        dollars = [float(part) for part in text.split(",")]
    except ValueError:
        dollars = []
    if len(dollars) != 2:
        raise SettingError(
            f"--price {text!r} is not two numbers; write dollars per million tokens, in and out: 0.15,0.6"
        )
    return dollars[0], dollars[1]
