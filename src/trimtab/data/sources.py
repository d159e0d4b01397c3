"""Where contrasts come from: built in, a file or two, a folder, or a data set on the hub."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import replace

from trimtab.data._hub_files import HUB as HUB
from trimtab.data._source_content import SourceContent, read_source
from trimtab.data._source_content import relocated as relocated
from trimtab.data.builtin import LOADABLE
from trimtab.data.contrasts import AnyContrast, PromptContrast
from trimtab.data.formats.base import OpenQuestion
from trimtab.data.formats.files import Reading, left_out_remark, require_pairs
from trimtab.data.hash_order import rank
from trimtab.data.pairs import Behavior, Message
from trimtab.data.splits import sample
from trimtab.errors import DataError, SettingError, TrimtabWarning


def dataset(
    name_or_path: str | os.PathLike[str],
    *,
    limit: int | None = None,
    seed: int = 0,
    offline: bool = False,
    skip_bad: bool = False,
    columns: Mapping[str, str] | None = None,
    head: int | None = None,
) -> Behavior:
    """A behavior by name, path or reference to the hub: pairs of completions; for other shapes see `contrast`.

    Args:
        name_or_path: the name of a built-in behavior ("corrigible") or of a translation ("cheerful-fr"); a file of any
            format that `trimtab data formats` lists, with or without its ending; a folder that holds exactly one; or
            `hub:owner/dataset/path/in/it.jsonl` or `hub:owner/dataset#split`, in one file or numbered parts, downloaded
            once (`hub:owner/dataset@revision/…` for a fixed revision).
        limit: keep at most this many pairs, a sample stratified by answer label.
        seed: which pairs the sample keeps.
        offline: take files of the hub from its cache only.
        skip_bad: leave out lines of the file that are no pairs, and warn of them. Of a published format such lines are
            always left out, and warned of; they are part of the behavior's hash.
        columns: the file's own names by key, such as `{"prompt": "question"}`; what is then no key goes to meta.
        head: read this many rows only, of a file of any size.

    Raises:
        DataError: when there is no such behavior, with every problem of its file, and for other contrasts than pairs.
        SettingError: for columns and a head of a built-in behavior, which is no file.
    """
    name = os.fspath(name_or_path)
    if name in LOADABLE:
        _require_a_file(name, columns, head)
        behavior = LOADABLE[name].load()
    else:
        content = read_source(name, offline=offline, reading=Reading(skip_bad, columns, head))
        if problems := content.problems():
            raise DataError(problems)
        if len(content.files) == 1:
            require_pairs(content.files[0])
        found = content.contrast()
        if not isinstance(found, Behavior):
            raise DataError(f"{name}: two lists, no pairs of completions; read them with `trimtab.data.contrast`")
        behavior = found
        _warn_left_out(content)
    return behavior if limit is None else sample(behavior, limit, seed)


def contrast(
    source: str | os.PathLike[str],
    negative: str | os.PathLike[str] | None = None,
    *,
    limit: int | None = None,
    seed: int = 0,
    offline: bool = False,
    skip_bad: bool = False,
    columns: Mapping[str, str] | None = None,
    head: int | None = None,
    raw: bool | None = None,
) -> AnyContrast:
    """Whatever a source holds: pairs of completions, pairs of prompts, or two lists without pairs.

    Args:
        source: as of `dataset`; or two sources of one list each, "positive.txt vs negative.txt".
        negative: the source of the negative list, where `source` is that of the positive one.
        limit: keep at most this many pairs, of two lists at most this many of each; a sample.
        seed: which of them the sample keeps.
        offline: take files of the hub from its cache only.
        skip_bad: as of `dataset`.
        columns: as of `dataset`.
        head: as of `dataset`.
        raw: whether the texts of two lists go to the model as they are, without its chat template. Without it they do
            if most of them hold the marks of a template, as `<|im_start|>`.

    Returns:
        A `Behavior`, a `PromptContrast` or a `SetContrast`.

    Raises:
        DataError: when there is no such source, with every problem of its files, and where they hold no contrast.
    """
    name = os.fspath(source)
    if negative is None and name in LOADABLE:
        return dataset(name, limit=limit, seed=seed, columns=columns, head=head)
    content = read_source(
        name, os.fspath(negative or ""), offline=offline, reading=Reading(skip_bad, columns, head), raw=raw
    )
    found = content.contrast()
    _warn_left_out(content)
    return found if limit is None else sampled(found, limit, seed)


def _require_a_file(name: str, columns: Mapping[str, str] | None, head: int | None) -> None:
    """Refuse what only a file has, where a behavior is built in."""
    if columns or head is not None:
        what = "columns to name" if columns else "rows to stop at"
        raise SettingError(f"{name} is built in, and no file with {what}; `limit` takes some of its pairs")


def open_prompts(
    source: str | os.PathLike[str], *, offline: bool = False, columns: Mapping[str, str] | None = None
) -> tuple[str | tuple[Message, ...], ...]:
    """The prompts of a file of questions without answers, or of lines of text; of pairs their prompts.

    Args:
        source: as of `dataset`.
        offline: take files of the hub from its cache only.
        columns: as of `dataset`.

    Raises:
        DataError: with every problem of the file, and where it has no prompts.
    """
    name = os.fspath(source)
    if name in LOADABLE:
        return tuple(dict.fromkeys(pair.prompt for pair in LOADABLE[name].load()))
    content = read_source(name, offline=offline, reading=Reading(columns=columns))
    if problems := content.problems():
        raise DataError(problems)
    items = [item for file in content.files for item in file.items]
    if all(isinstance(item, OpenQuestion) for item in items):
        prompts = [item.prompt for item in items if isinstance(item, OpenQuestion)]
    else:
        found = content.contrast()
        prompts = [pair.prompt for pair in found] if isinstance(found, Behavior) else list(found.questions)
    if not prompts:
        raise DataError(f"{name}: no prompts are in it")
    unique = {str(prompt): prompt for prompt in prompts}
    return tuple(unique.values())


def sampled(found: AnyContrast, limit: int, seed: int = 0) -> AnyContrast:
    """At most `limit` items, of two lists at most that many of each, in the order of the file.

    Raises:
        SettingError: when the limit is below 1.
    """
    if isinstance(found, Behavior):
        return sample(found, limit, seed)
    if limit < 1:
        raise SettingError(f"limit {limit}: ask for at least one pair")
    if isinstance(found, PromptContrast):
        kept = _drawn([pair.key for pair in found.pairs], limit, seed)
        return replace(found, pairs=tuple(found.pairs[index] for index in kept))
    positive, negative = (
        tuple(examples[index] for index in _drawn([one.key for one in examples], limit, seed))
        for examples in (found.positive, found.negative)
    )
    return replace(found, positive=positive, negative=negative)


def _drawn(keys: list[str], limit: int, seed: int) -> list[int]:
    order = sorted(range(len(keys)), key=lambda index: (rank(seed, "sample", keys[index]), index))
    return sorted(order[:limit])


def _warn_left_out(content: SourceContent) -> None:
    for file in content.files:
        for remark in left_out_remark(file.left_out, file.problems.unit):
            warnings.warn(f"{content.name}: {remark}", TrimtabWarning, stacklevel=3)
