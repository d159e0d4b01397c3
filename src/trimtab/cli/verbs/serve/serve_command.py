"""`trimtab serve`: a model over HTTP, steered as each request says."""

from __future__ import annotations

import json
import logging
import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trimtab._util.wording import plural
from trimtab.cli.help_examples import example
from trimtab.cli.model_options import ask_option, engine_options, model_option, placement_options
from trimtab.cli.next_command import show_next_lines
from trimtab.cli.progress import shown_progress
from trimtab.cli.terminal import echo, echo_text
from trimtab.engines import load
from trimtab.errors import SettingError
from trimtab.inputs.bounded_files import FileKind, read_text
from trimtab.monitors import Monitor
from trimtab.serve.server_settings import KEY_VARIABLE, ServerSettings, address_of, is_loopback
from trimtab.study.step_names import loading
from trimtab.vectors import layer_ranges

if TYPE_CHECKING:
    from trimtab.engines import Model
    from trimtab.serve.http.service import Service

CLOSE_SECONDS = 2.0
"""For replies that are left when the server has waited for them."""
_KEY_FILE = FileKind("key file", 4096, SettingError)


@click.command(
    "serve",
    epilog=example("trimtab serve --vectors runs/quickstart", "trimtab serve --vectors vectors/ --port 8018"),
)
@model_option()
@click.option(
    "--vectors", "-v", "vectors", metavar="PATH", type=click.Path(path_type=Path), multiple=True,
    help="Run, folder of vector files, or file whose vectors requests may name. May be given again.",
)  # fmt: skip
@click.option(
    "--monitors", metavar="FILE", type=click.Path(path_type=Path), multiple=True,
    help="Monitor that requests may name, from `trimtab monitor fit`. May be given again.",
)  # fmt: skip
@click.option(
    "--host", metavar="ADDRESS", default="127.0.0.1", show_default=True,
    help="Where to listen; an address that other machines reach needs a key.",
)  # fmt: skip
@click.option(
    "--port", metavar="N", type=click.IntRange(0, 65535), default=8017, show_default=True,
    help="Port; 0 takes any that is free.",
)  # fmt: skip
@click.option(
    "--key", metavar="KEY", default="",
    help=f"Key that clients have to send. Process lists show it: {KEY_VARIABLE} or --key-file do not.",
)  # fmt: skip
@click.option(
    "--key-file", metavar="FILE", type=click.Path(path_type=Path), default=None, help="File that holds the key."
)
@click.option(
    "--cors", "origins", metavar="ORIGIN", multiple=True,
    help="Page that may call the server from a browser, as https://chat.example. May be given again.",
)  # fmt: skip
@click.option(
    "--max-waiting", metavar="N", type=click.IntRange(1, 1_000_000), default=256, show_default=True,
    help="Requests that wait at most; more are refused.",
)  # fmt: skip
@click.option(
    "--max-tokens", metavar="N", type=click.IntRange(1, 1_000_000), default=2048, show_default=True,
    help="Longest reply.",
)  # fmt: skip
@click.option(
    "--max-context", metavar="N", type=click.IntRange(2, 10_000_000), default=8192, show_default=True,
    help="Longest prompt and reply together; memory grows with it.",
)  # fmt: skip
@click.option(
    "--seconds", metavar="S", type=click.FloatRange(min=0, min_open=True), default=None,
    help="Longest that a request may take; it then ends with an error.",
)  # fmt: skip
@click.option(
    "--make-vectors", is_flag=True,
    help="Let clients have vectors made from pairs of theirs; on this machine's own address they always may.",
)  # fmt: skip
@click.option("--describe", is_flag=True, help="Say what would be served, and end.")
@placement_options
@engine_options
@ask_option
def command(
    model: str,
    vectors: tuple[Path, ...],
    monitors: tuple[Path, ...],
    host: str,
    port: int,
    key: str,
    key_file: Path | None,
    origins: tuple[str, ...],
    max_waiting: int,
    max_tokens: int,
    max_context: int,
    seconds: float | None,
    make_vectors: bool,
    describe: bool,
    dtype: str,
    device: str,
    quantization: str,
    stream: bool | None,
    engine: str,
    engine_options: dict[str, Any],
    ask: dict[str, Any],
) -> None:
    """Serve a model over HTTP with the APIs of OpenAI and Ollama; every request says how it is steered.

    It listens on this machine only unless --host says otherwise.
    """
    require_packages()
    settings = ServerSettings(host, port, _key(key, key_file), origins, max_waiting, max_tokens, max_context, seconds)
    from trimtab.serve.http.server import bound_socket

    with closing(bound_socket(host, port)) as taken:
        with shown_progress() as progress:
            progress(loading(model), 0, 1)
            loaded = load(
                model, dtype=dtype, device=device, quantization=quantization, stream=stream,  # type: ignore[arg-type]  # click has checked
                engine=engine, engine_options=engine_options, **ask,
            )  # fmt: skip
            progress(loading(model), 1, 1)
        with closing(loaded):
            serve_model(loaded, model, vectors, monitors, settings, taken, describe=describe, make_vectors=make_vectors)


def serve_model(
    model: Model,
    name: str,
    vectors: tuple[Path, ...],
    monitors: tuple[Path, ...],
    settings: ServerSettings,
    taken: Any,
    *,
    describe: bool = False,
    make_vectors: bool = False,
    ready: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve a loaded model until a signal comes, or say what would be served.

    Args:
        model: From `trimtab.load`.
        name: How it was named by the user.
        vectors: Runs, folders and files of vectors.
        monitors: Files of monitors.
        settings: Whom it is served to.
        taken: The socket.
        describe: Only say what would be served.
        make_vectors: Whether clients may have vectors made; on loopback they always may.
        ready: Called with the address when requests are served.
    """
    from trimtab.serve.http.server import run_server
    from trimtab.serve.http.service import Service
    from trimtab.serve.scheduler import Scheduler
    from trimtab.serve.steering.served_models import served_name
    from trimtab.serve.steering.vector_library import VectorLibrary

    read = _monitors(monitors, model)
    library = VectorLibrary.read(vectors, model.backbone, read)
    scheduler = Scheduler(model, most_waiting=settings.max_waiting, most_tokens=settings.max_context)
    try:
        service = Service(
            model, scheduler, served_name(name), library, read,
            max_tokens=settings.max_tokens, seconds=settings.seconds,
            make_vectors=make_vectors or is_loopback(settings.host), gives_weights=is_loopback(settings.host),
        )  # fmt: skip
        port = int(taken.getsockname()[1])
        if describe:
            _announce(service, settings, port, "would serve")
            return

        def announce() -> None:
            _announce(service, settings, port, "serving")
            ready(address_of(settings.host, port))

        with _shown_log():
            run_server(service, settings, taken, announce)
        echo("stopped", err=True)
    finally:
        scheduler.close(seconds=CLOSE_SECONDS)


def require_packages() -> None:
    """Refuse to serve without the packages for it."""
    for package in ("starlette", "uvicorn", "h11"):
        if find_spec(package) is None:
            raise SettingError(f"serving needs the package {package}: pip install 'trimtab[serve]'")


def _key(key: str, file: Path | None) -> str:
    """The key, from exactly one place.

    Raises:
        SettingError: when two places have one, or a file has none.
    """
    places = {
        "--key": key,
        "--key-file": "" if file is None else read_text(file, _KEY_FILE).strip(),
        KEY_VARIABLE: os.environ.get(KEY_VARIABLE, ""),
    }
    if file is not None and not places["--key-file"]:
        raise SettingError(f"{file}: is empty; write the key into it")
    given = [name for name, value in places.items() if value]
    if len(given) > 1:
        raise SettingError(f"{' and '.join(given)} both give a key; keep one")
    return places[given[0]] if given else ""


def _monitors(files: tuple[Path, ...], model: Model) -> dict[str, Monitor]:
    """Monitors by the name of their behavior."""
    found: dict[str, Monitor] = {}
    for file in files:
        monitor = Monitor.load(file)
        monitor.require_fit(model)
        name = monitor.provenance.behavior
        if name in found:
            raise SettingError(f"{file}: another monitor of {name!r} was given; leave one out")
        found[name] = monitor
    return found


def _announce(service: Service, settings: ServerSettings, port: int, what: str) -> None:
    """Say what is served, where, and how to ask for it."""
    address = address_of(settings.host, port)
    whom = "with a key" if settings.key else "for this machine only, without a key"
    echo(f"{what} {service.name} at {address}, {whom}")
    for one in service.library:
        use = one.recommended
        if use is None:
            where = f"no recommended setting; directions at {layer_ranges(one.vector.layers)}"
        else:
            where = f"layer {'+'.join(map(str, use.layers))} at {use.strength:+g} {use.setting.scale}"
            where += "" if use.setting.gate is None else f", {use.setting.gate}"
        cautions = f" ({plural(len(one.warnings), 'warning')}: GET /v1/steering/vectors)" if one.warnings else ""
        echo_text(f"vector {one.name}: {where}{cautions}")
    for name in service.monitors:
        echo_text(f"monitor {name}")
    show_next_lines(_curl(service, settings, address))


def _curl(service: Service, settings: ServerSettings, address: str) -> str:
    """A first request: steered, where a vector has a recommended setting."""
    body = {"model": list(service.models.names())[:2][-1], "messages": [{"role": "user", "content": "How are you?"}]}
    words = ["curl", f"{address}/v1/chat/completions", "-H", "Content-Type: application/json", "-d", json.dumps(body)]
    line = shlex.join(words)
    return f'{line} -H "Authorization: Bearer ${KEY_VARIABLE}"' if settings.key else line


class _TerminalLog(logging.Handler):
    """What the server logs, in the terminal."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        echo(f"trimtab: {self.format(record)}", err=True)


@contextmanager
def _shown_log() -> Iterator[None]:
    """Show what goes wrong in the server while it runs."""
    handler = _TerminalLog(logging.WARNING)
    handler.setFormatter(logging.Formatter("%(message)s"))
    loggers = [logging.getLogger(name) for name in ("trimtab.serve", "uvicorn.error")]
    for one in loggers:
        one.addHandler(handler)
    try:
        yield
    finally:
        for one in loggers:
            one.removeHandler(handler)
