"""The options of the verbs, each defined once: the same name, values and help wherever it is taken.

Those about models and steering are in `model_options`, which imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

import click
from click.core import ParameterSource

from trimtab.data import Balance, Form, parse_columns

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def several(*options: Decorator) -> Decorator:
    """One decorator of several options, in the order in which help shows them."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def choice(*names: str, **options: Any) -> Decorator:
    """An option that takes one of a few values, the `choices`."""
    values = options.pop("choices")
    return click.option(*names, type=click.Choice(values), **options)


def behavior_option(*, required: bool = True, many: bool = False) -> Decorator:
    """Which pairs; `many`: of several behaviors."""
    again = " May be given again." if many else ""
    names = ("--behavior", "-b", "behaviors") if many else ("--behavior", "-b")
    return click.option(
        *names, metavar="PAIRS", required=required, multiple=many,
        help=f"Built-in name, pairs file, folder or hub: reference.{again}",
    )  # fmt: skip


def out_option(default: str = "", *, path: str | None = None, required: bool = False) -> Decorator:
    """Where to write.

    Args:
        default: What the default is, in words.
        path: The default, where it is always the same.
        required: Whether there is none.
    """
    # To click a default of None is a value that was given, and nothing would be missing.
    usual: dict[str, Any] = {} if required else {"default": path}
    return click.option(
        "--out", "-o", metavar="PATH", type=click.Path(path_type=Path), required=required, **usual,
        show_default=default or path is not None, help="Where to write.",
    )  # fmt: skip


run_options = several(
    click.option(
        "--run", metavar="RUN", type=click.Path(path_type=Path), default=None,
        help="Finished run: its model and vector, at the setting that its recommended.yaml says.",
    ),
    click.option(
        "--behavior", "-b", metavar="NAME", default=None, help="With --run: which behavior, where it has several."
    ),
)  # fmt: skip
"""Whose recommended setting is used."""
limit_option = click.option(
    "--limit", metavar="N", type=int, default=None, help="Use this many pairs of a behavior, a stratified sample."
)
skip_bad_option = click.option("--skip-bad", is_flag=True, help="Leave out lines that are no pairs, and say which.")
map_option = click.option(
    "--map", "columns", metavar="KEY=COLUMN,…", multiple=True,
    callback=lambda context, option, texts: parse_columns(texts),
    help="Columns of the file by key: prompt=question,positive=best; the others go to meta.",
)  # fmt: skip
rows_options = several(
    map_option,
    click.option(
        "--head", metavar="N", type=click.IntRange(min=1), default=None, help="Read the first rows of a file only."
    ),
)  # fmt: skip
"""Which rows and columns of a file."""
seed_option = click.option(
    "--seed", metavar="N", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True,
    help="Seed of everything that is drawn: splits, samples, intervals.",
)  # fmt: skip
quiet_option = click.option("--quiet", "-q", is_flag=True, help="No progress.")
balance_option = choice(
    "--balance", choices=get_args(Balance), default="both_orders", show_default=True,
    help="How choice pairs are shown: in both orders of their options, in one each, or as they are.",
)  # fmt: skip
form_option = choice(
    "--form", choices=("auto", *get_args(Form)), default="auto", show_default=True,
    help="How pairs are asked: by the letters of their options, or by the texts.",
)  # fmt: skip
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Print the plan, with what it takes and costs; nothing is run or spent."
)
yes_option = click.option("--yes", "-y", is_flag=True, help="Pay for language models without asking.")
base_url_option = click.option(
    "--base-url", metavar="URL", default=None, help="Address of the language model's service."
)
price_option = click.option(
    "--price", metavar="IN,OUT", default=None, help="Dollars per million tokens, in and out: 0.15,0.6."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
pairs_options = several(limit_option, skip_bad_option, map_option)
"""Which of the pairs, and by which columns of their file."""


def refuse_unused(given: Mapping[str, bool], why: str) -> None:
    """Refuse options that would do nothing beside the others.

    Args:
        given: for each option whether it was given.
        why: what makes them do nothing.

    Raises:
        click.UsageError: naming them.
    """
    if unused := [option for option, is_given in given.items() if is_given]:
        raise click.UsageError(f"{' and '.join(unused)} would do nothing: {why}")


def was_given(name: str) -> bool:
    """Whether an option of the verb that runs was typed, its default aside."""
    return click.get_current_context().get_parameter_source(name) == ParameterSource.COMMANDLINE
