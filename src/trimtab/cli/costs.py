"""What language models cost: prices as they are typed, and agreeing to a cost before it arises."""

from __future__ import annotations

import sys

import click

from trimtab.errors import RunError, SettingError


def agreed(what: str, cost: str, instead: str) -> bool:
    """Show what something would cost, and ask.

    Args:
        what: what costs, such as "judging".
        cost: how much.
        instead: what to do where nobody can be asked, such as "give --yes, or another judge".

    Raises:
        RunError: when nobody can be asked.
    """
    click.echo(f"{what} would take\n{cost}", err=True)
    if not sys.stdin.isatty():
        raise RunError(f"nobody is here to agree to that; {instead}")
    return click.confirm("Go on?", err=True)


def prices(text: str | None) -> tuple[float, float] | None:
    """Dollars for a million tokens in and out, from "0.15,0.6".

    Raises:
        SettingError: when these are not two numbers.
    """
    if text is None:
        return None
    try:
        dollars = [float(part) for part in text.split(",")]
    except ValueError:
        dollars = []
    if len(dollars) != 2:
        raise SettingError(
            f"--price {text!r} is not two numbers; write dollars for a million tokens in and out: 0.15,0.6"
        )
    return dollars[0], dollars[1]
