"""The command that adds a measure to a finished run, with an option for each of the measure's settings."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click
from pydantic.fields import FieldInfo

from trimtab.cli.help_examples import example
from trimtab.cli.model_options import as_mapping
from trimtab.cli.options import quiet_option, was_given
from trimtab.cli.runs import check_run
from trimtab.study.measures.registry import MEASURES

_NAMES = {"models": ("--model", "-m"), "behaviors": ("--behavior", "-b"), "tasks": ("--task",)}
"""Options of settings that name several things, in the singular."""
_METAVARS = {
    "models": "MODEL", "behaviors": "PAIRS", "measure": "PAIRS", "transfer": "PAIRS", "layers": "LAYERS",
    "prompts": "N", "max_new_tokens": "N", "random": "N", "tasks": "TASK", "task_limit": "N",
}  # fmt: skip
"""What stands for the value of an option in its help; click's own for settings of other packages' measures."""


def measure_command(name: str) -> click.Command:
    """The command of a measure, such as `trimtab side-effects RUN`.

    Args:
        name: The measure's name in `MEASURES`.

    Raises:
        SettingError: When it cannot be imported.
    """
    measure = MEASURES.get(name)
    settings = measure.settings
    fields: Mapping[str, FieldInfo] = settings.model_fields if settings else {}

    def run_measure(run: Path, quiet: bool, **given: Any) -> None:
        # What is not typed has its default in the settings.
        typed = {key: list(v) if isinstance(v, tuple) else v for key, v in given.items() if was_given(key)}
        check_run(run, name, typed, quiet)

    parameters: list[click.Parameter] = [click.Argument(["run"], type=click.Path(path_type=Path))]
    parameters += [_option(key, field) for key, field in fields.items()]
    about = (settings.__doc__ or "").strip() if settings else MEASURES.summaries()[name]
    command = click.Command(
        name.replace("_", "-"),
        params=parameters,
        callback=run_measure,
        epilog=example(f"trimtab {name.replace('_', '-')} runs/quickstart"),
        help=f"{about}\n\nRUN is the folder of a finished run; its report is written anew.",
        short_help=MEASURES.summaries()[name],
    )
    quiet_option(command)
    return command


def _option(key: str, field: FieldInfo) -> click.Option:
    """The option of one setting: its default, and its docstring as help."""
    plain = key.replace("_", "-")
    kinds = list(_kinds(field.annotation))
    several = [get_args(kind)[0] for kind in kinds if get_origin(kind) is tuple]
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    help_ = " ".join((field.description or "").split())
    if bool in kinds:
        flags = f"--{plain}/--no-{plain}" if default else f"--{plain}"
        return click.Option([flags, key], is_flag=True, default=bool(default), show_default=bool(default), help=help_)
    if any(get_origin(kind) is dict for kind in kinds):
        return click.Option(
            [f"--{plain}", key], multiple=True, metavar="KEY=VALUE", callback=as_mapping,
            help=f"{help_} May be given again.",
        )  # fmt: skip
    metavar = _METAVARS.get(key)
    if several:
        return click.Option(
            [*_NAMES.get(key, (f"--{plain}",)), key], type=_scalar(several[0]), metavar=metavar, multiple=True,
            default=default, show_default=bool(default), help=f"{help_} May be given again.",
        )  # fmt: skip
    # To click a default of None is a value that was given, and nothing would be missing.
    usual: dict[str, Any] = {} if field.is_required() else {"default": default}
    return click.Option(
        [f"--{plain}", key], type=_scalar(field.annotation), metavar=metavar, **usual,
        show_default=default is not None, required=field.is_required(), help=help_,
    )  # fmt: skip


def _scalar(annotation: Any) -> Any:
    """How an option of this type is read."""
    kinds = [kind for kind in _kinds(annotation) if kind is not type(None)]
    choices = [choice for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind)]
    if choices:
        return click.Choice(choices)
    return int if int in kinds and float not in kinds else float if float in kinds else str


def _kinds(annotation: Any) -> Iterator[Any]:
    """The types that an annotation allows, without what is annotated to them."""
    if get_origin(annotation) is Annotated:
        yield from _kinds(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, types.UnionType):
        for part in get_args(annotation):
            yield from _kinds(part)
    else:
        yield annotation
