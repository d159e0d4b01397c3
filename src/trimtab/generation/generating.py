"""Writing pairs through a language model, batch by batch, until enough have passed every check."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trimtab.data import Pair, read_pairs, write_pairs
from trimtab.errors import RunError
from trimtab.evaluation.judges.services import Said
from trimtab.generation.alone import alone
from trimtab.generation.checks import About, faults
from trimtab.generation.duplicates import Taken
from trimtab.generation.estimate import most_batches
from trimtab.generation.notes import Notes
from trimtab.generation.questions import batch_question, check_question, read_check
from trimtab.generation.reading import read_drafts
from trimtab.generation.situations import situations
from trimtab.generation.wanted import Draft, Wanted, draft_of
from trimtab.generation.wholes import overused
from trimtab.generation.writers import Manner, Writer

MOST_TOKENS_PER_PAIR = 400
MOST_CHECK_TOKENS = 20
THINKING_TOKENS = 2_000
SPARE = 2
"""Pairs asked for beyond those that are missing, as some will be dropped."""

NOT_READABLE = "whether a completion answers its prompt: neither yes nor no was said"
NO_ANSWER = "a completion does not answer its prompt, says the writer"

Progress = Callable[[str, int, int], None]
"""(what, done, total)."""


@dataclass(frozen=True)
class Generated:
    """What came of it."""

    pairs: tuple[Pair, ...]
    batches: int
    """Asked for in this go."""
    read: int
    """Pairs that could be read in all goes, dropped ones included."""
    dropped: Counter[str]
    """How many were not taken in all goes, by the reason; what could not be read is among them."""


def count_there(wanted: Wanted, path: Path) -> int:
    """How many pairs a file holds already.

    Raises:
        RunError, SettingError, DataError: as `generate` does for a file that it cannot go on with.
    """
    Notes.open(path, wanted)
    return len(read_pairs(path)) if path.exists() else 0


def generate(
    wanted: Wanted, writer: Writer, path: Path, *, progress: Progress = lambda what, done, total: None
) -> Generated:
    """Write pairs into a file, or go on with one that holds some already.

    Each batch shows the writer prompts that are there, asks for situations of its own, and is checked: what fails is
    dropped and counted. After each batch the file is whole; stopped at any moment, the same call goes on. It ends when
    there are enough pairs, or when `most_batches` have been asked for; then there are fewer than wanted.

    Raises:
        RunError: when the file holds something else or another process writes to it, or the service fails.
        SettingError: when the path does not end in .jsonl, or the writer cannot be asked.
        DataError: when the pairs that are there cannot be read.
    """
    with alone(path):
        notes = Notes.open(path, wanted)
        pairs = list(read_pairs(path)) if path.exists() else []
        if writer.name not in notes.writers:
            notes.writers.append(writer.name)
        before = notes.batches
        notes.save()  # before any pair: a file of pairs without notes would be taken for somebody else's
        for _ in range(most_batches(wanted.count - len(pairs), wanted.batch)):
            progress("writing pairs", len(pairs), wanted.count)
            drafts = _batch(wanted, writer, notes, pairs, path)
            pairs += _pairs(wanted, writer.name, notes.batches, pairs, drafts)
            if drafts:
                # Pairs first: stopped in between, a batch is asked for once more, and what it repeats is dropped.
                write_pairs(path, pairs)
            notes.save()
            if len(pairs) >= wanted.count:
                break
        progress("writing pairs", min(len(pairs), wanted.count), wanted.count)
    return Generated(tuple(pairs), notes.batches - before, notes.habits.drafts, notes.dropped)


def _batch(wanted: Wanted, writer: Writer, notes: Notes, pairs: Sequence[Pair], path: Path) -> list[Draft]:
    """Ask for one batch and keep what passes every check, as many as are missing at most."""
    missing = wanted.count - len(pairs)
    number = min(wanted.batch, missing + SPARE)
    topics = situations(wanted.kind, wanted.seed, notes.situations, number)
    question = batch_question(wanted, number, topics, [draft_of(pair).prompt for pair in pairs], overused(pairs))
    seed = wanted.seed + notes.batches
    manner = Manner(wanted.temperature, seed, MOST_TOKENS_PER_PAIR * number, THINKING_TOKENS, _whole_array)
    said = _asked(writer, [question], manner, len(pairs), path)[0]
    notes.batches += 1
    notes.situations += number
    drafts, unread = read_drafts(said.text)
    notes.dropped.update([*unread, *(["the answer ends at the limit of tokens"] if said.cut else [])])
    kept = _passed(drafts, wanted, notes, pairs)
    if wanted.self_check and kept:
        kept = _answering(kept, wanted, writer, notes, len(pairs), path)
    return kept[:missing]


def _passed(drafts: Sequence[Draft], wanted: Wanted, notes: Notes, pairs: Sequence[Pair]) -> list[Draft]:
    """The drafts that nothing speaks against; the others are counted by the first reason."""
    about = About(wanted.instruction, wanted.opposite, wanted.choice, wanted.length_ratio)
    found = [faults(draft, about) for draft in drafts]
    notes.habits.add(found)
    # What is meant also shows in the examples: with them even the first batch is read rightly.
    habits = notes.habits.plus(faults(draft_of(pair), about) for pair in wanted.examples)
    taken = Taken()
    taken.add_prompts(notes.struck)
    for pair in (*wanted.examples, *pairs):
        taken.add(draft_of(pair))
    kept = []
    for draft, its_faults in zip(drafts, found, strict=True):
        reasons = [fault.text for fault in its_faults if not habits.is_behavior(fault)]
        reason = reasons[0] if reasons else taken.repeats(draft)[0]
        if reason:
            notes.dropped[reason] += 1
        else:
            taken.add(draft)
            kept.append(draft)
    return kept


def _answering(
    drafts: Sequence[Draft], wanted: Wanted, writer: Writer, notes: Notes, there: int, path: Path
) -> list[Draft]:
    """The drafts both of whose completions the writer itself, not told what they are, finds to answer the prompt."""
    questions = [check_question(d.prompt, text) for d in drafts for text in (d.positive, d.negative)]
    manner = Manner(0.0, wanted.seed, MOST_CHECK_TOKENS, THINKING_TOKENS, lambda text: read_check(text) is not None)
    said = [read_check(answer.text) for answer in _asked(writer, questions, manner, there, path)]
    kept = []
    for draft, positive, negative in zip(drafts, said[::2], said[1::2], strict=True):
        if positive and negative:
            kept.append(draft)
        else:
            notes.dropped[NOT_READABLE if None in (positive, negative) else NO_ANSWER] += 1
    return kept


def _asked(writer: Writer, questions: Sequence[str], manner: Manner, there: int, path: Path) -> list[Said]:
    answers = writer.write(questions, manner)
    for said in answers:
        if said.failure:
            raise RunError(
                f"the writer {writer.name}: {said.failure}\n"
                f"{path} holds {there} pairs; the same command goes on from there"
            )
    return answers


def _pairs(wanted: Wanted, writer: str, batch: int, there: Sequence[Pair], drafts: Sequence[Draft]) -> list[Pair]:
    """Drafts as pairs. Of choice pairs as many have the positive option first as second."""
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
                choices=options if wanted.choice else (),
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
