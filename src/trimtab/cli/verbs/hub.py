"""`trimtab hub`: share a vector as a folder, or on the hub, and read one that was shared."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from trimtab.cli.groups import HelpfulGroup
from trimtab.cli.help_examples import example
from trimtab.cli.model_options import positions_option, scale_option
from trimtab.cli.next_command import show_next, show_next_lines, typed
from trimtab.cli.options import out_option, refuse_unused, was_given
from trimtab.cli.setting.strength_warning import warn_of_strengths
from trimtab.cli.terminal import echo, echo_path, echo_text
from trimtab.errors import RunError
from trimtab.sharing import Received, Shared, receive_vector, share_run, share_vector
from trimtab.sharing.hub_repository import require_hub_id, to_upload, upload
from trimtab.vectors import SteeringVector
from trimtab.vectors.constant_pushes import CONSTANT_SCALES
from trimtab.vectors.formats.published.shared_folders import CARD, STEERING


@click.group(cls=HelpfulGroup, epilog=example("trimtab hub push runs/quickstart -o cheerful-vector"))
def command() -> None:
    """Share a vector with what was measured of it, as a folder or on the hub; read one that was shared."""


@command.command(
    short_help="Write a vector as a folder for others, and upload it.",
    epilog=example(
        "trimtab hub push runs/quickstart -o cheerful-vector",
        "trimtab hub push vectors.safetensors --layer 17 --strength 0.3 -o cheerful-vector",
        "trimtab hub push cheerful-vector --to owner/cheerful-smollm2",
    ),
)
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--behavior", "-b", metavar="NAME", default=None, help="Which behavior of a run, where it has several.")
@click.option("--model", "-m", metavar="NAME", default=None, help="Which model of a run, where it has several.")
@click.option(
    "--layer", "-l", "layers", metavar="N", type=int, multiple=True,
    help="With a vector file: recommend this layer. May be given again.",
)  # fmt: skip
@click.option("--strength", "-s", metavar="α", type=float, default=None, help="With a vector file: recommend it.")
@scale_option(lambda: CONSTANT_SCALES)
@positions_option
@click.option(
    "--base-model", metavar="OWNER/NAME", default="",
    help="The model on the hub, where run or file have it from elsewhere.",
)  # fmt: skip
@out_option()
@click.option("--to", metavar="OWNER/NAME", default=None, help="Upload to this repository of the hub, too.")
@click.option("--private", is_flag=True, help="With --to: only the owner may see it.")
@click.option("--revision", metavar="BRANCH", default="", help="With --to: upload to this branch.")
@click.option("--yes", "-y", is_flag=True, help="Upload without asking.")
def push(
    source: Path,
    behavior: str | None,
    model: str | None,
    layers: tuple[int, ...],
    strength: float | None,
    scale: str,
    positions: str,
    base_model: str,
    out: Path | None,
    to: str | None,
    private: bool,
    revision: str,
    yes: bool,
) -> None:
    """Write the vector of SOURCE as a folder that is read without trimtab; with --to, put it on the hub.

    SOURCE is a finished run, a vector file with --layer and --strength, or a folder that was written before. Of a run
    the card holds effect, findings and warnings. What is uploaded is listed first; nothing is without --to.
    """
    of_upload = {"--private": private, "--revision": bool(revision), "--yes": yes}
    refuse_unused(of_upload if to is None else {}, "nothing is uploaded; give --to")
    if to is not None:
        require_hub_id(to)
    of_run = {"--behavior": behavior is not None, "--model": model is not None}
    of_file = {"--layer": bool(layers), "--strength": strength is not None, "--scale": was_given("scale"),
               "--positions": was_given("positions")}  # fmt: skip
    if (source / STEERING).exists():
        more = {"--out": out is not None, "--base-model": bool(base_model)}
        refuse_unused(of_run | of_file | more, f"{source} is written already")
        if to is None:
            raise click.UsageError(f"{source} is written already; give --to to upload it")
        SteeringVector.read(source)
        folder = source
    else:
        if out is None:
            raise click.UsageError("name the folder to write: --out")
        if source.is_dir():
            refuse_unused(of_file, "the run says it")
            made = share_run(source, out, model=model or "", behavior=behavior or "", base_model=base_model)
        else:
            refuse_unused(of_run, f"{source} is no run")
            if not layers or strength is None:
                raise click.UsageError("a vector file says no setting; give --layer and --strength")
            warn_of_strengths(scale, [strength])
            made = share_vector(
                SteeringVector.read(source), out, layer=layers, strength=strength, scale=scale, positions=positions,
                base_model=base_model,
            )  # fmt: skip
        _show(made)
        folder = out
    if to is None:
        show_next(["hub", "push", str(folder), "--to", "OWNER/NAME"], ["hub", "pull", str(folder)])
    elif _upload(folder, to, private, revision, yes):
        show_next(["hub", "pull", to, *typed("hub pull", "out")])


def _show(made: Shared) -> None:
    for note in made.notes:
        echo_text(f"note: {note}")
    echo_path("folder", made.folder)


def _upload(folder: Path, to: str, private: bool, revision: str, yes: bool) -> bool:
    """List what leaves this machine, ask, and send it; whether it was agreed to."""
    where = (
        f"{to}{f' (branch {revision})' if revision else ''}, {'private' if private else 'public unless it is private'}"
    )
    echo_text(f"To upload to {where}:", err=True)
    for name, size in to_upload(folder):
        echo(f"  {name}  {size:,} bytes", err=True)
    if not yes:
        echo_text(f"{CARD} holds sentences of the run; read it first.", err=True)
        if not sys.stdin.isatty():
            raise RunError(f"nobody is here to agree to that; {folder} is written, give --yes to upload it")
        if not click.confirm("Upload?", err=True):
            echo("Not uploaded.", err=True)
            return False
    echo(f"uploaded: {upload(folder, to, private=private, revision=revision)}")
    return True


@command.command(
    short_help="Read a vector that was shared.",
    epilog=example(
        "trimtab hub pull cheerful-vector -o vectors.safetensors",
        "trimtab hub pull owner/cheerful-smollm2 -o vectors.safetensors",
    ),
)
@click.argument("source")
@out_option(path="vectors.safetensors")
@click.option("--revision", metavar="NAME", default="", help="Branch, tag or commit on the hub.")
def pull(source: str, out: Path, revision: str) -> None:
    """Read SOURCE, a folder or OWNER/NAME on the hub, into a vector file, and print the setting that it recommends.

    Formats, sizes and hashes are checked; nothing in it is run. The setting and its effect are what the person who
    shared it states.
    """
    found = receive_vector(source, revision=revision)
    path = found.vector.save(out)
    monitor = path.with_name(f"{path.stem}-monitor.safetensors")
    if found.condition is not None:
        found.condition.monitor.save(monitor)
    _show_received(found)
    echo_path("vectors", path)
    if found.condition is not None:
        echo_path("monitor", monitor)
    show_next_lines(found.command(path, monitor))


def _show_received(found: Received) -> None:
    stated = found.steering
    use, effect = stated.setting, stated.effect
    layers = " and ".join(map(str, use.layers))
    echo_text(f"“{stated.behavior}” in {stated.model.base_model or stated.model.name or 'an unknown model'}")
    echo_text(f"recommended: layer {layers} at {use.strength:+g} ({use.unit}, positions {use.positions})")
    if found.condition is not None:
        echo_text(str(found.condition))
    if effect is None:
        echo_text("what it does was not measured")
    else:
        known = effect.low is not None and effect.high is not None
        interval = f"95% interval {effect.low:.3g} to {effect.high:.3g}" if known else "no interval"
        echo_text(f"measured there: {effect.measure}, {effect.change:+.3g} {effect.unit} ({interval})")
        echo_text(f"warnings of the run: see its {CARD}")
    if use.first_token:
        echo_text("note: the chat leaves the first token of a text alone, which was pushed there")
