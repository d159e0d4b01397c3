"""The `trimtab` command: finds the verb, and shows errors as messages instead of tracebacks."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import keyword
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from trimtab._util.suggest import nearest_word
from trimtab.cli.groups import HelpfulGroup
from trimtab.cli.help_examples import example
from trimtab.cli.libraries import quiet_libraries
from trimtab.cli.terminal import echo, echo_error, echo_foreign_warning, echo_text, echo_usage_error
from trimtab.errors import TrimtabError, TrimtabWarning
from trimtab.inputs.bounded_files import file_problem
from trimtab.inputs.secrets import without_secrets
from trimtab.study.measures.registry import measures_with_command

_VERBS = {
    "init": "Write a study file to begin with.",
    "study": "Run a study file: extract, sweep, measure and report.",
    "extract": "Find the steering vectors of a behavior.",
    "sweep": "Steer at every layer and strength and measure what changes.",
    "tune": "Generate and judge replies at every setting; recommend one.",
    "diagnose": "Check the pairs, the stability of the vector and the choice of layer.",
    "import": "Bring results that another program measured into a run folder.",
    "report": "Write the page, charts and tables of a finished run.",
    "vectors": "Bring vectors of other tools in, show and prove what is in a vector file.",
    "hub": "Share a vector with what was measured of it; read one that was shared.",
    "chat": "Chat with a model and change the steering as you go.",
    "play": "Open a run's vectors on a page with sliders.",
    "serve": "Serve a model over HTTP; every request says how it is steered.",
    "bake": "Write a model whose weights hold the push.",
    "monitor": "Score each token of a text with a linear probe.",
    "pairs": "Generate contrastive pairs with a language model, review them, remove bad ones.",
    "data": "List, show and check contrastive pairs.",
}
_MEASURES_AFTER = "diagnose"


class _Verbs(Mapping[str, str]):
    """Every verb and its line in --help, which must not import the verb: most of them need torch.

    Those of `_VERBS` are modules; the others, after `diagnose`, are measures that can be added to a finished run.
    """

    def __getitem__(self, verb: str) -> str:
        return _VERBS.get(verb) or _measures()[verb]

    def __iter__(self) -> Iterator[str]:
        for verb in _VERBS:
            yield verb
            if verb == _MEASURES_AFTER:
                yield from (measure for measure in _measures() if measure not in _VERBS)

    def __len__(self) -> int:
        return len(list(iter(self)))


def _measures() -> dict[str, str]:
    return {name.replace("_", "-"): line for name, line in measures_with_command().items()}


VERBS: Mapping[str, str] = _Verbs()

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130


class LazyGroup(HelpfulGroup):
    """Imports `trimtab.cli.verbs.<verb>`, or a measure, when the verb is called; each module exports `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order in which they are used."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a verb."""
        if cmd_name not in VERBS:
            return None
        if cmd_name not in _VERBS:
            from trimtab.cli.measure_command import measure_command

            return measure_command(cmd_name.replace("-", "_"))
        command: click.Command = importlib.import_module(f"trimtab.cli.verbs.{_module(cmd_name)}").command
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
            near = nearest_word(name, VERBS)
            hint = f"did you mean {near!r}?" if near else f"the commands are {', '.join(VERBS)}"
            ctx.fail(f"no command {name!r}; {hint}")
        return super().resolve_command(ctx, args)


def _module(verb: str) -> str:
    return f"{verb}_" if keyword.iskeyword(verb) else verb.replace("-", "_")


def _print_version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        echo(f"trimtab {importlib.metadata.version('trimtab')}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=example("trimtab init study.yaml", "trimtab study study.yaml"),
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version,
    help="Show the version and exit.",
)  # fmt: skip
def cli() -> None:
    """Find, apply and check steering vectors in language models."""


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; everything a person can cause ends in a message."""
    with _plain_warnings(), quiet_libraries():
        try:
            code = cli.main(args, prog_name="trimtab", standalone_mode=False)
            sys.stdout.flush()
        except (click.Abort, KeyboardInterrupt):
            echo("trimtab: stopped; the same command continues where it was", err=True)
            return EXIT_INTERRUPTED
        except click.ClickException as error:
            echo_usage_error(error)
            return error.exit_code
        except TrimtabError as error:
            echo_error(error)
            return EXIT_USER_ERROR
        except BrokenPipeError:
            _give_up_stdout()
            return 1
        except OSError as error:
            message = file_problem(error)
            if not message:
                raise
            _give_up_stdout()
            echo_error(message)
            return EXIT_USER_ERROR
    return code if isinstance(code, int) else 0


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

        def show(
            message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any, **__: Any
        ) -> None:
            if issubclass(category, TrimtabWarning):
                echo_text(f"trimtab: warning: {without_secrets(str(message))}", err=True)
            else:
                echo_foreign_warning(message, category, filename, lineno)

        warnings.showwarning = show
        yield
