"""`trimtab play`: a run's vectors on a page with sliders."""

from __future__ import annotations

import webbrowser
from contextlib import closing
from pathlib import Path

import click

from trimtab.cli.help_examples import example
from trimtab.cli.progress import shown_progress
from trimtab.cli.terminal import echo
from trimtab.cli.verbs.serve.serve_command import require_packages, serve_model
from trimtab.engines import load
from trimtab.serve.server_settings import DEFAULT_HOST, DEFAULT_PORT, ServerSettings
from trimtab.study.setting_to_use import model_of_run
from trimtab.study.step_names import loading


@click.command("play", epilog=example("trimtab play runs/quickstart", "trimtab play runs/quickstart --open"))
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--model", "-m", metavar="NAME", default="", help="Which model of the run, where it has several.")
@click.option(
    "--monitors", metavar="FILE", type=click.Path(path_type=Path), multiple=True,
    help="Monitor that requests may name, from `trimtab monitor fit`. May be given again.",
)  # fmt: skip
@click.option(
    "--port", metavar="N", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True,
    help="Port; 0 takes any that is free.",
)  # fmt: skip
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")
@click.option("--describe", is_flag=True, help="Say what would be served, and end.")
def command(run: Path, model: str, monitors: tuple[Path, ...], port: int, opens: bool, describe: bool) -> None:
    """Open a run's vectors on a page: sliders in nats, settings side by side, where each push acts.

    The page is served to this machine only, with the model of the run; `trimtab serve` has more options.
    """
    require_packages()
    from trimtab.serve.http.server import bound_socket

    name, how = model_of_run(run, model)

    def ready(address: str) -> None:
        echo(f"open {address}/")
        if opens:
            webbrowser.open(f"{address}/")

    with closing(bound_socket(DEFAULT_HOST, port)) as taken:
        with shown_progress() as progress:
            progress(loading(name), 0, 1)
            loaded = load(name, **how.load_options)
            progress(loading(name), 1, 1)
        with closing(loaded):
            serve_model(
                loaded, name, (run,), monitors, ServerSettings(DEFAULT_HOST, port), taken,
                describe=describe, ready=ready,
            )  # fmt: skip
