"""Generating pairs with a language model, batch by batch, until enough have passed every check."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trimtab._util.callbacks import NamedProgress
from trimtab.data import Pair, read_pairs, write_pairs
from trimtab.errors import RunError
from trimtab.generation._draft_reading import read_drafts
from trimtab.generation._lock import exclusive_access
from trimtab.generation._situations import situations
from trimtab.generation._writer_prompts import batch_question, check_question, read_check
from trimtab.generation.checks.dataset_checks import overused
from trimtab.generation.checks.draft_checks import CheckContext, faults
from trimtab.generation.checks.duplicate_prompts import SeenPairs
from trimtab.generation.estimate import max_batches
from trimtab.generation.record import PairRecord
from trimtab.generation.request import Draft, PairRequest, draft_of
from trimtab.generation.writers import SamplingSettings, Writer
from trimtab.llm import Completion

MAX_TOKENS_PER_PAIR = 400
MAX_CHECK_TOKENS = 20
THINKING_TOKENS = 2_000
SPARE = 2
"""Pairs asked for beyond those that are missing, as some will be dropped."""

NOT_READABLE = "whether a completion answers its prompt: neither yes nor no was said"
NO_ANSWER = "a completion does not answer its prompt, says the writer"


@dataclass(frozen=True)
class GenerationResult:
    """The outcome of a call of `generate`."""

    pairs: tuple[Pair, ...]
    batches: int
    """Requested in this call."""
    read: int
    """Pairs that could be parsed in all calls, dropped ones included."""
    dropped: Counter[str]
    """Rejected pairs in all calls, by reason, unreadable ones included."""


def count_existing(request: PairRequest, path: Path) -> int:
    """Count the pairs that a file holds already.

    Raises:
        RunError, SettingError, DataError: as `generate` does for a file that it cannot continue.
    """
    PairRecord.open(path, request)
    return len(read_pairs(path)) if path.exists() else 0


def generate(
    request: PairRequest, writer: Writer, path: Path, *, progress: NamedProgress = lambda what, done, total: None
) -> GenerationResult:
    """Generate pairs into a file, or continue one that holds some already.

    Each batch shows the writer prompts that are there, asks for situations of its own, and is checked: what fails is
    dropped and counted. After each batch the file is whole; stopped at any moment, the same call continues. It ends
    when there are enough pairs, or when `max_batches` have been requested; then there are fewer than requested.

    Raises:
        RunError: when the file holds something else or another process writes to it, or the service fails.
        SettingError: when the path does not end in .jsonl, or the writer cannot be asked.
        DataError: when the pairs that are there cannot be read.
    """
    with exclusive_access(path):
        record = PairRecord.open(path, request)
        pairs = list(read_pairs(path)) if path.exists() else []
        if writer.name not in record.writers:
            record.writers.append(writer.name)
        before = record.batches
        record.save()  # before any pair: a file of pairs without notes would be taken for somebody else's
        for _ in range(max_batches(request.count - len(pairs), request.batch)):
            progress("writing pairs", len(pairs), request.count)
            drafts = _batch(request, writer, record, pairs, path)
            pairs += _pairs(request, writer.name, record.batches, pairs, drafts)
            if drafts:
                # Pairs first: stopped in between, a batch is asked for once more, and what it repeats is dropped.
                write_pairs(path, pairs)
            record.save()
            if len(pairs) >= request.count:
                break
        progress("writing pairs", min(len(pairs), request.count), request.count)
    return GenerationResult(tuple(pairs), record.batches - before, record.fault_counts.drafts, record.dropped)


def _batch(request: PairRequest, writer: Writer, record: PairRecord, pairs: Sequence[Pair], path: Path) -> list[Draft]:
    """Request one batch and return the drafts that pass every check, at most as many as are missing."""
    missing = request.count - len(pairs)
    number = min(request.batch, missing + SPARE)
    topics = situations(request.kind, request.seed, record.situations, number)
    question = batch_question(request, number, topics, [draft_of(pair).prompt for pair in pairs], overused(pairs))
    seed = request.seed + record.batches
    sampling = SamplingSettings(request.temperature, seed, MAX_TOKENS_PER_PAIR * number, THINKING_TOKENS, _whole_array)
    completion = _complete(writer, [question], sampling, len(pairs), path)[0]
    record.batches += 1
    record.situations += number
    drafts, unread = read_drafts(completion.text)
    record.dropped.update([*unread, *(["the answer ends at the limit of tokens"] if completion.truncated else [])])
    passed = _without_faults(drafts, request, record, pairs)
    if request.self_check and passed:
        passed = _answering(passed, request, writer, record, len(pairs), path)
    return passed[:missing]


def _without_faults(
    drafts: Sequence[Draft], request: PairRequest, record: PairRecord, pairs: Sequence[Pair]
) -> list[Draft]:
    """The drafts without faults; the others are counted by their first reason."""
    context = CheckContext(request.instruction, request.opposite, request.choice, request.length_ratio)
    found = [faults(draft, context) for draft in drafts]
    record.fault_counts.add(found)
    # What is meant also shows in the examples: with them even the first batch is read rightly.
    habits = record.fault_counts.plus(faults(draft_of(pair), context) for pair in request.examples)
    taken = SeenPairs()
    taken.add_prompts(record.struck)
    for pair in (*request.examples, *pairs):
        taken.add(draft_of(pair))
    passed = []
    for draft, its_faults in zip(drafts, found, strict=True):
        reasons = [fault.text for fault in its_faults if not habits.is_behavior(fault)]
        reason = reasons[0] if reasons else taken.repeats(draft)[0]
        if reason:
            record.dropped[reason] += 1
        else:
            taken.add(draft)
            passed.append(draft)
    return passed


def _answering(
    drafts: Sequence[Draft],
    request: PairRequest,
    writer: Writer,
    record: PairRecord,
    there: int,
    path: Path,
) -> list[Draft]:
    """The drafts whose two completions answer the prompt, by the blind verdict of the writer itself."""
    questions = [check_question(d.prompt, text) for d in drafts for text in (d.positive, d.negative)]
    sampling = SamplingSettings(
        0.0, request.seed, MAX_CHECK_TOKENS, THINKING_TOKENS, lambda text: read_check(text) is not None
    )
    verdicts = [read_check(answer.text) for answer in _complete(writer, questions, sampling, there, path)]
    passed = []
    for draft, positive, negative in zip(drafts, verdicts[::2], verdicts[1::2], strict=True):
        if positive and negative:
            passed.append(draft)
        else:
            record.dropped[NOT_READABLE if None in (positive, negative) else NO_ANSWER] += 1
    return passed


def _complete(
    writer: Writer, questions: Sequence[str], sampling: SamplingSettings, there: int, path: Path
) -> list[Completion]:
    completions = writer.write(questions, sampling)
    for completion in completions:
        if completion.failure:
            raise RunError(
                f"the writer {writer.name}: {completion.failure}\n"
                f"{path} holds {there} pairs; the same command goes on from there"
            )
    return completions


def _pairs(request: PairRequest, writer: str, batch: int, there: Sequence[Pair], drafts: Sequence[Draft]) -> list[Pair]:
    """Drafts as pairs; half of choice pairs have the positive option first."""
    first = sum(pair.label == "A" for pair in there)
    made = []
    for place, draft in enumerate(drafts, start=len(there)):
        options = (draft.positive, draft.negative) if 2 * first <= place else (draft.negative, draft.positive)
        first += options[0] == draft.positive
        made.append(
            Pair(
                id=hashlib.sha256(json.dumps(draft).encode("utf-8")).hexdigest()[:12],
                prompt=draft.prompt,
                positive=draft.positive,
                negative=draft.negative,
                choices=options if request.choice else (),
                meta={"writer": writer, "batch": batch},
            )
        )
    return made


def _whole_array(text: str) -> bool:
    """Whether a JSON array has begun and ended, whatever stands before it."""
    if not text.rstrip().endswith("]"):
        return False
    start = text.find("[")
    try:
        json.loads(text[start:])
    except (ValueError, RecursionError):
        return False
    return True
