"""The `trimtab` command: finds the verb, and tells people what went wrong instead of showing a traceback."""

from __future__ import annotations

import contextlib
import difflib
import errno
import importlib
import importlib.metadata
import keyword
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import click

from trimtab.errors import TrimtabError, TrimtabWarning

VERBS = {
    "study": "Extract, sweep and report behaviors, as a study file or options say.",
    "extract": "Find the steering vectors of a behavior.",
    "sweep": "Steer at every layer and strength and measure what changes.",
    "tune": "Let the model reply in every cell, judge the replies, and find the setting to use.",
    "diagnose": "Are the pairs good, is the vector steady, which layer: without a sweep or beside one.",
    "side-effects": "Measure what else a run's vectors move, and whether a random push does as much.",
    "robustness": "Measure how much of a run's effect is left when the same is asked otherwise.",
    "import": "Bring results that another program measured into a run folder.",
    "report": "Write the page, charts and tables of a finished run.",
    "chat": "Talk with a model while its steering is under the hand.",
    "monitor": "Tell token by token whether a text shows a behavior.",
    "pairs": "Write contrastive pairs with a language model, review them, strike bad ones out.",
    "data": "List, show and check contrastive pairs.",
}
"""Every verb and its line in --help, which must not import the verb: most of them need torch."""

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130


class LazyGroup(click.Group):
    """Imports `trimtab.cli.<verb>` when the verb is called, not before; each module exports `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order in which they are used."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a verb."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"trimtab.cli.{_module(cmd_name)}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs from the table."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb that was typed, or the nearest one as a hint."""
        name = args[0]
        if name not in VERBS and not name.startswith("-"):
            near = difflib.get_close_matches(name, VERBS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"the commands are {', '.join(VERBS)}"
            ctx.fail(f"no command {name!r}; {hint}")
        return super().resolve_command(ctx, args)


def _module(verb: str) -> str:
    return f"{verb}_" if keyword.iskeyword(verb) else verb.replace("-", "_")


def _print_version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        click.echo(f"trimtab {importlib.metadata.version('trimtab')}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version,
    help="Show the version and exit.",
)  # fmt: skip
def cli() -> None:
    """Find, apply and check steering vectors in language models."""


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; everything a person can cause ends in a message."""
    with _plain_warnings():
        try:
            code = cli.main(args, prog_name="trimtab", standalone_mode=False)
            sys.stdout.flush()
        except (click.Abort, KeyboardInterrupt):
            click.echo("trimtab: stopped; the same command goes on where it was", err=True)
            return EXIT_INTERRUPTED
        except click.ClickException as error:
            error.show()
            return error.exit_code
        except TrimtabError as error:
            click.echo(f"trimtab: error: {error}", err=True)
            return EXIT_USER_ERROR
        except BrokenPipeError:
            _give_up_stdout()
            return 1
        except OSError as error:
            message = _about_files(error)
            if not message:
                raise
            _give_up_stdout()
            click.echo(f"trimtab: error: {message}", err=True)
            return EXIT_USER_ERROR
    return code if isinstance(code, int) else 0


def _about_files(error: OSError) -> str:
    """What a person can do about a file or a disk; empty if the error is about something else."""
    where = f" ({error.filename2 or error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"no space left on the disk{where}; free some, then try again"
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return f"no permission to write or read there{where}; choose another place or change its permissions"
    return f"{error.strerror}: {error.filename}" if error.filename else ""


def _give_up_stdout() -> None:
    """Let the last flush of the interpreter go nowhere: what stdout leads to takes nothing any more."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


@contextlib.contextmanager
def _plain_warnings() -> Iterator[None]:
    """Show trimtab's own warnings as one line on stderr, without the place in the code."""
    with warnings.catch_warnings():
        default = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *rest: Any, **named: Any) -> None:
            if issubclass(category, TrimtabWarning):
                click.echo(f"trimtab: warning: {message}", err=True)
            else:
                default(message, category, *rest, **named)

        warnings.showwarning = show
        yield
