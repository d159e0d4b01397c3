"""`trimtab pairs`: generate contrastive pairs with a language model, review them, remove bad ones."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from trimtab._util.wording import plural, verb_for
from trimtab.cli.costs import agreed, prices
from trimtab.cli.groups import HelpfulGroup
from trimtab.cli.help_examples import example
from trimtab.cli.model_options import placement_options
from trimtab.cli.next_command import show_next, typed
from trimtab.cli.options import (
    base_url_option,
    dry_run_option,
    out_option,
    price_option,
    quiet_option,
    refuse_unused,
    seed_option,
    was_given,
    yes_option,
)
from trimtab.cli.progress import shown_progress
from trimtab.cli.terminal import echo, echo_path, echo_text
from trimtab.data import Behavior, check, dataset, read_pairs
from trimtab.errors import RunError, SettingError
from trimtab.generation import (
    CheckContext,
    LocalWriter,
    PairRecord,
    PairRequest,
    ServiceWriter,
    Writer,
    cost,
    count_existing,
    generate,
    pair_key,
    read_decisions,
    remove_pairs,
    review,
)
from trimtab.inputs.bounded_files import exists, expand_user
from trimtab.models import BUNDLED
from trimtab.report.review import Card, write_review

EXIT_TOO_FEW = 1
"""Fewer pairs have passed than were requested."""
MAX_SLUG_CHARACTERS = 50


@click.group(cls=HelpfulGroup, epilog=example('trimtab pairs generate "answers in one short sentence" -m smollm2-135m'))
def command() -> None:
    """Generate contrastive pairs with a language model, review them, remove bad ones."""


@command.command(
    "generate",
    short_help="Generate pairs for a behavior, described in a phrase.",
    epilog=example('trimtab pairs generate "answers in one short sentence" -n 60 --model openai/gpt-4o-mini'),
)
@click.argument("behavior")
@click.option("-n", "count", metavar="N", type=int, default=60, show_default=True, help="How many pairs.")
@click.option(
    "--model", "-m", metavar="MODEL", required=True,
    help="The writer: provider/name, as in openai/gpt-4o-mini, or the bundled name, a folder or a .gguf file.",
)  # fmt: skip
@click.option("--local", is_flag=True, help="Load the model here, whatever its name looks like: for ids of the hub.")
@click.option("--opposite", metavar="PHRASE", default="", help="What the negative completions do, in a phrase.")
@click.option(
    "--kind", type=click.Choice(["open", "choice"]), default="open", show_default=True,
    help="Free completions, or options of a question.",
)  # fmt: skip
@click.option(
    "--examples", metavar="FILE", type=click.Path(path_type=Path), default=None, help="Pairs that show the behavior."
)
@out_option("a .jsonl file named after BEHAVIOR")
@click.option("--batch", metavar="N", type=int, default=10, show_default=True, help="Pairs in one request.")
@click.option(
    "--length-ratio", metavar="X", default="2", show_default=True, help="Of the longer completion to the other, or off."
)
@click.option("--check", "self_check", is_flag=True, help="Ask the model of each completion if it answers its prompt.")
@seed_option
@click.option(
    "--temperature", metavar="X", type=float, default=1.0, show_default=True, help="Sampling temperature, 0 to 2."
)
@base_url_option
@price_option
@placement_options
@dry_run_option
@yes_option
@quiet_option
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
    quantization: str,
    stream: bool | None,
    dry_run: bool,
    yes: bool,
    quiet: bool,
) -> None:
    """Generate pairs for BEHAVIOR, a phrase for what the positive completions do: "answers in one short sentence".

    The same command continues where it was stopped. Exit code 1: fewer pairs than requested have passed the checks.
    """
    shown = dataset(examples).pairs if examples else ()
    request = PairRequest(
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
    there = count_existing(request, path)
    here = local or _looks_local(model)
    if here:
        unused = {"--base-url": base_url is not None, "--price": price is not None}
        refuse_unused(unused, f"{model} runs here, not on a service")
    else:
        unused = {
            "--dtype": was_given("dtype"),
            "--device": was_given("device"),
            "--quantization": was_given("quantization"),
            "--stream": was_given("stream"),
        }
        refuse_unused(unused, f"{model} runs on a service; with --local it is loaded here")
    paid = prices(price)
    ahead = cost(request, model, there, paid)
    if dry_run:
        echo_text(
            f"{there} of {plural(count, 'pair')} {verb_for(count, 'are')} in {path}; writing the rest takes\n{ahead}"
        )
        show_next(["pairs", "generate", behavior, *typed("pairs generate", "dry_run")])
        return
    service = None if here else ServiceWriter(model, base_url=base_url, price=paid)
    if service is not None and there < count:
        service.check()
        if not yes and not agreed("writing", str(ahead), "give --yes, or a model that runs here"):
            raise RunError("stopped before anything was asked or spent")
    with shown_progress(quiet) as progress:
        if there < count:
            generate(request, service or _loaded(model, dtype, device, quantization, stream), path, progress=progress)
    _report_written(path, request, service)


@command.command(
    "review",
    short_help="Write the review page of a file of pairs.",
    epilog=example("trimtab pairs review pairs.jsonl"),
)
@click.argument("file", type=click.Path(path_type=Path))
def review_(file: Path) -> None:
    """Check the pairs of FILE and write NAME.review.html beside it, on which bad pairs are struck out."""
    _report_review(file, CheckContext().length_ratio, check(file).remarks)
    show_next(*_after_review(file))


@command.command(
    "strike",
    short_help="Remove the pairs that were struck out on a review page.",
    epilog=example("trimtab pairs strike pairs.jsonl struck.json"),
)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("decisions", type=click.Path(path_type=Path))
def strike_(file: Path, decisions: Path) -> None:
    """Remove from FILE the pairs in DECISIONS, the struck.json that its review page saved."""
    done = remove_pairs(file, read_decisions(decisions))
    unknown = f"; {done.unknown} in {decisions} {verb_for(done.unknown, 'are')} not there" if done.unknown else ""
    echo(f"{plural(done.removed, 'pair')} removed, {done.left} left in {file}{unknown}")
    show_next(["extract", "--behavior", str(file)], ["diagnose", "--behavior", str(file)])


def _report_written(path: Path, request: PairRequest, service: ServiceWriter | None) -> None:
    """Print the number of pairs, the rejected ones, the results of the checks, and the next step."""
    record = PairRecord.read(path)
    spent = f"; {service.spent}" if service else ""
    there = len(read_pairs(path)) if path.exists() else 0
    echo(f"{there} of {plural(request.count, 'pair')} {verb_for(request.count, 'are')} in {path}{spent}")
    if record and record.dropped:
        echo(f"{record.dropped.total()} were dropped: {_counted(record.dropped)}")
    if there:
        _report_review(path, request.length_ratio, check(path).remarks[1:])  # the first one counts
    if there < request.count:
        echo_text(
            "too few pairs have passed; the same command asks for more, and a larger model writes better ones", err=True
        )
        raise click.exceptions.Exit(EXIT_TOO_FEW)
    show_next(*_after_review(path))


def _after_review(file: Path) -> list[list[str]]:
    """What to type once the page was looked at; struck.json is what it saves."""
    return [["pairs", "strike", str(file), "struck.json"], ["extract", "--behavior", str(file)]]


def _report_review(file: Path, length_ratio: float | None, remarks: Sequence[str]) -> None:
    """Write the review page of a file, and print a summary."""
    behavior = Behavior(file.stem, read_pairs(file))
    record = PairRecord.read(file)
    description = (record.instruction, record.opposite) if record else ("", "")
    found = review(behavior, CheckContext(*description, behavior.is_choice, length_ratio))
    cards = [Card(pair_key(pair), pair.to_json(), flags) for pair, flags in zip(behavior, found.flags, strict=True)]
    page = file.with_name(f"{file.stem}.review.html")
    write_review(page, file.name, description[0], found.remarks, cards)
    for remark in (*remarks, *found.remarks):
        echo_text(remark)
    echo(f"flagged: {found.flagged} of {len(cards)}")
    echo_path("review", page)


def _loaded(model: str, dtype: str, device: str, quantization: str, stream: bool | None) -> Writer:
    from trimtab.engines import load

    return LocalWriter(
        load(model, dtype=dtype, device=device, quantization=quantization, stream=stream)  # type: ignore[arg-type]  # load names the known ones
    )


def _looks_local(model: str) -> bool:
    return model == BUNDLED or model.endswith(".gguf") or exists(expand_user(model))


def _ratio(text: str) -> float | None:
    if text == "off":
        return None
    try:
        return float(text)
    except ValueError:
        raise SettingError(f"--length-ratio {text!r} is neither a number nor off") from None


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:MAX_SLUG_CHARACTERS].strip("-") or "pairs"


def _counted(reasons: Counter[str], most: int = 6) -> str:
    shown = [f"{count} × {reason}" for reason, count in reasons.most_common(most)]
    rest = len(reasons) - len(shown)
    return "; ".join([*shown, *([f"and {rest} other reasons"] if rest > 0 else [])])
