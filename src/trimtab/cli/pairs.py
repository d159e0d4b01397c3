"""`trimtab pairs`: write contrastive pairs with a language model, look through them, take bad ones out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from trimtab.cli.costs import agreed, prices
from trimtab.cli.progress import progress_bars
from trimtab.data import Behavior, check, dataset, read_pairs
from trimtab.errors import RunError, SettingError
from trimtab.generation import (
    About,
    LocalWriter,
    Notes,
    ServiceWriter,
    Wanted,
    Writer,
    cost,
    count_there,
    generate,
    pair_key,
    read_decisions,
    review,
    strike,
)
from trimtab.models import BUNDLED
from trimtab.report.review import Card, write_review

EXIT_TOO_FEW = 1
"""Fewer pairs have passed than were asked for."""
MOST_SLUG = 50


@click.group()
def command() -> None:
    """Write contrastive pairs with a language model, review them, strike bad ones out."""


@command.command("generate", short_help="Write pairs for a behavior, described in a phrase.")
@click.argument("behavior")
@click.option("-n", "count", type=int, default=60, show_default=True, help="How many pairs.")
@click.option(
    "--model", "-m", required=True,
    help="Who writes: provider/name, as in openai/gpt-4o-mini, or the bundled name, a folder or a .gguf file.",
)  # fmt: skip
@click.option("--local", is_flag=True, help="Load the model here, whatever its name looks like: for ids of the hub.")
@click.option("--opposite", default="", help="What the negative completions do, in a phrase.")
@click.option("--kind", type=click.Choice(["open", "choice"]), default="open", show_default=True)
@click.option("--examples", type=click.Path(path_type=Path), default=None, help="Pairs that show what is meant.")
@click.option(
    "--out", "-o", type=click.Path(path_type=Path), default=None, help="The .jsonl file to write or go on with."
)
@click.option("--batch", type=int, default=10, show_default=True, help="Pairs that are asked for at once.")
@click.option("--length-ratio", default="2", show_default=True, help="Of the longer completion to the other, or off.")
@click.option("--check", "self_check", is_flag=True, help="Ask the model of each completion if it answers its prompt.")
@click.option("--seed", type=int, default=0, show_default=True, help="For the situations that are asked for.")
@click.option("--temperature", type=float, default=1.0, show_default=True, help="Of the writing, 0 to 2.")
@click.option("--base-url", default=None, help="Where the model is served.")
@click.option("--price", default=None, help="Dollars for a million tokens in and out: 0.15,0.6.")
@click.option("--dtype", default="auto", show_default=True, help="Of a model that is loaded here.")
@click.option("--device", default="auto", show_default=True, help="Of a model that is loaded here.")
@click.option("--dry-run", is_flag=True, help="Say what it would take, and ask nothing.")
@click.option("--yes", "-y", is_flag=True, help="Pay for the model without asking.")
@click.option("--quiet", "-q", is_flag=True, help="No progress.")
def generate_(
    behavior: str,
    count: int,
    model: str,
    local: bool,
    opposite: str,
    kind: str,
    examples: Path | None,
    out: Path | None,
    batch: int,
    length_ratio: str,
    self_check: bool,
    seed: int,
    temperature: float,
    base_url: str | None,
    price: str | None,
    dtype: str,
    device: str,
    dry_run: bool,
    yes: bool,
    quiet: bool,
) -> None:
    """Write pairs for BEHAVIOR, what the positive completions do in a phrase: "answers in one short sentence".

    The same command goes on where it was stopped. Exit code 1: fewer pairs than asked for have passed the checks.
    """
    shown = dataset(examples).pairs if examples else ()
    wanted = Wanted(
        instruction=behavior,
        opposite=opposite,
        kind=kind,  # type: ignore[arg-type]  # click has checked it
        count=count,
        batch=batch,
        seed=seed,
        temperature=temperature,
        length_ratio=_ratio(length_ratio),
        self_check=self_check,
        examples=shown,
    )
    path = out or Path(f"{_slug(behavior)}.jsonl")
    there = count_there(wanted, path)
    here = local or _looks_local(model)
    paid = None if here else prices(price)
    ahead = cost(wanted, model, there, paid)
    if dry_run:
        click.echo(f"{there} of {count} pairs are in {path}; writing the rest takes\n{ahead}")
        return
    service = None if here else ServiceWriter(model, base_url=base_url, price=paid)
    if service is not None and there < count:
        service.check()
        if not yes and not agreed("writing", str(ahead), "give --yes, or a model that runs here"):
            raise RunError("stopped before anything was asked or spent")
    with progress_bars(quiet) as progress:
        if there < count:
            generate(wanted, service or _loaded(model, dtype, device), path, progress=progress)
    _tell_written(path, wanted, service)


@command.command("review", short_help="Write the review page of a file of pairs.")
@click.argument("file", type=click.Path(path_type=Path))
def review_(file: Path) -> None:
    """Check the pairs of FILE and write NAME.review.html beside it, on which bad pairs are struck out."""
    _tell_reviewed(file, About().length_ratio, check(file).remarks)


@command.command("strike", short_help="Remove the pairs that were struck out on a review page.")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("decisions", type=click.Path(path_type=Path))
def strike_(file: Path, decisions: Path) -> None:
    """Remove from FILE the pairs in DECISIONS, the struck.json that its review page saved."""
    done = strike(file, read_decisions(decisions))
    unknown = f"; {done.unknown} in {decisions} are not there" if done.unknown else ""
    removed = "1 pair" if done.removed == 1 else f"{done.removed} pairs"
    click.echo(f"{removed} removed, {done.left} left in {file}{unknown}")


def _tell_written(path: Path, wanted: Wanted, service: ServiceWriter | None) -> None:
    """What there is now, what was dropped, what the checks say, and what to do next."""
    notes = Notes.read(path)
    spent = f"; {service.spent}" if service else ""
    there = len(read_pairs(path)) if path.exists() else 0
    click.echo(f"{there} of {wanted.count} pairs are in {path}{spent}")
    if notes and notes.dropped:
        click.echo(f"{notes.dropped.total()} were dropped: {_counted(notes.dropped)}")
    if there:
        _tell_reviewed(path, wanted.length_ratio, check(path).remarks[1:])  # the first one counts
    if there < wanted.count:
        click.echo(
            "too few pairs have passed; the same command asks for more, and a larger model writes better ones", err=True
        )
        raise click.exceptions.Exit(EXIT_TOO_FEW)


def _tell_reviewed(file: Path, length_ratio: float | None, remarks: Sequence[str]) -> None:
    """Write the review page of a file, and say what is on it."""
    behavior = Behavior(file.stem, read_pairs(file))
    notes = Notes.read(file)
    told = (notes.instruction, notes.opposite) if notes else ("", "")
    found = review(behavior, About(*told, behavior.is_choice, length_ratio))
    cards = [Card(pair_key(pair), pair.to_json(), flags) for pair, flags in zip(behavior, found.flags, strict=True)]
    page = file.with_name(f"{file.stem}.review.html")
    write_review(page, file.name, told[0], found.remarks, cards)
    for remark in (*remarks, *found.remarks):
        click.echo(remark)
    click.echo(f"flagged: {found.flagged} of {len(cards)}\nreview: {page}")


def _loaded(model: str, dtype: str, device: str) -> Writer:
    from trimtab.engines import load

    return LocalWriter(load(model, dtype=dtype, device=device))  # type: ignore[arg-type]  # load names the known ones


def _looks_local(model: str) -> bool:
    return model == BUNDLED or model.endswith(".gguf") or Path(model).expanduser().exists()


def _ratio(text: str) -> float | None:
    if text == "off":
        return None
    try:
        return float(text)
    except ValueError:
        raise SettingError(f"--length-ratio {text!r} is neither a number nor off") from None


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:MOST_SLUG].strip("-") or "pairs"


def _counted(reasons: Counter[str], most: int = 6) -> str:
    shown = [f"{count} × {reason}" for reason, count in reasons.most_common(most)]
    rest = len(reasons) - len(shown)
    return "; ".join([*shown, *([f"and {rest} other reasons"] if rest > 0 else [])])
