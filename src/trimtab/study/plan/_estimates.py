"""Stand-ins for what cannot be reached while planning: a tokenizer, a model's facts, a behavior's pairs."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from trimtab.data import Behavior, Pair
from trimtab.data.sources import HUB
from trimtab.errors import ModelError, UnreachableError
from trimtab.llm import CHARACTERS_PER_TOKEN
from trimtab.models import USUAL, Asking, Facts, peek
from trimtab.models.bundled import resolve
from trimtab.store.model_facts import ModelFacts
from trimtab.study._contrast_parts import read_behavior
from trimtab.study._file_locations import located
from trimtab.study.settings.behavior_setting import BehaviorSetting
from trimtab.study.settings.model_setting import ModelSetting
from trimtab.study.settings.study_file import Study

TOKEN_RULE = f"a token is taken for {CHARACTERS_PER_TOKEN} characters"

_OPENING, _CLOSING = 3, 9
"""Tokens that a chat template puts around a question, as ChatML with an empty thinking block does."""

_PATIENCE_SECONDS = 5

FROM_FACTS = "estimated from the file's facts; the configuration could not be reached"
FROM_SIZE = "estimated from the file's size; the pairs could not be reached"


class CountingTokenizer:
    """Cuts text into pieces of `CHARACTERS_PER_TOKEN`: the same beginnings get the same tokens."""

    chat_template = "estimated"
    bos_token_id = None

    def apply_chat_template(self, messages: Sequence[Any], **options: Any) -> str:
        """The messages between as many characters as a template's tokens are worth."""
        opening, closing = "<" * (CHARACTERS_PER_TOKEN * _OPENING), ">" * (CHARACTERS_PER_TOKEN * _CLOSING)
        return opening + "\n".join(message["content"] for message in messages) + closing

    def __call__(self, text: str, **options: Any) -> dict[str, list[int]]:
        """Token ids, as a tokenizer gives them."""
        pieces = [text[i : i + CHARACTERS_PER_TOKEN] for i in range(0, len(text), CHARACTERS_PER_TOKEN)]
        return {"input_ids": [zlib.crc32(piece.encode()) for piece in pieces]}

    def convert_tokens_to_ids(self, token: str) -> None:
        """No token is known by its text, so that no thinking is looked for."""


@cache
def hub_answers() -> bool:
    """Whether the hub can be reached, asked once: each download that fails would be tried again for half a minute."""
    from huggingface_hub import constants, get_session

    try:
        get_session().head(constants.ENDPOINT, timeout=_PATIENCE_SECONDS)
    except Exception:  # whatever the network, its proxies and the http library raise
        return False
    return True


@dataclass(frozen=True)
class Reached:
    """A model's facts and tokenizer, or estimates in their place."""

    facts: Facts
    tokenizer: Any
    asking: Asking = USUAL
    note: str = ""
    """What to say where they are estimates."""
    reason: str = ""


def reach_model(setting: ModelSetting, folder: Path) -> Reached:
    """A model's configuration and tokenizer; where they cannot be reached, the facts in the study file.

    Raises:
        ModelError: when the model cannot be reached and the study gives too few facts to plan without.
    """
    # A folder that is not there is an error, whatever facts the study file has.
    name = located(setting.id, folder)
    is_local = Path(resolve(name)).is_dir()
    try:
        return Reached(*peek(name, offline=not is_local and not hub_answers()), setting.asking)
    except ModelError as error:
        given = setting.facts
        if given.layers is None or given.width is None or given.parameters is None:
            raise ModelError(
                f"{error} To plan without it give its facts in the study file: layers, width and parameters at least."
            ) from error
        reason = str(error.__cause__ or error).strip().partition("\n")[0]
        facts = _facts(given, given.layers, given.width, given.parameters)
        return Reached(facts, CountingTokenizer(), USUAL, FROM_FACTS, reason)


def _facts(given: ModelFacts, layers: int, width: int, parameters: int) -> Facts:
    heads = given.heads or given.kv_heads or 1
    kv_heads = given.kv_heads or heads
    return Facts(
        architecture="",
        layers=layers,
        width=width,
        heads=heads,
        kv_heads=kv_heads,
        head_size=given.head_size or width // heads,
        gqa_ratio=heads / kv_heads,
        parameters=parameters,
        active_parameters=given.active_parameters or parameters,
        tied_embeddings=bool(given.tied_embeddings),
        context=given.context or 0,
        moe=bool(given.moe),
    )


def reach_behavior(study: Study, setting: BehaviorSetting) -> tuple[Behavior, str]:
    """The pairs of a behavior, or its contrast, and what to say where they are estimates.

    Raises:
        UnreachableError: When they cannot be fetched and the study file does not give their size.
        DataError: when there are none or they are broken.
    """
    try:
        return read_behavior(study, setting, offline=setting.source.startswith(HUB) and not hub_answers()), ""
    except UnreachableError as error:
        if setting.size is None or setting.scoring not in ("auto", "choice"):
            hint = "to plan without it, give its size, as `size: {pairs: 300, characters: 500}`; for choice pairs only"
            raise UnreachableError(f"{error}; {hint}") from error
    count = min(setting.size.pairs, setting.limit or setting.size.pairs)
    pairs = tuple(_pair(index, setting.size.characters) for index in range(count))
    return Behavior(setting.name or PurePosixPath(setting.source).stem, pairs), FROM_SIZE


def _pair(index: int, characters: int) -> Pair:
    """A choice pair with a question of this length, the options and their letters listed under it."""
    options = (f"{index:04d} yes", f"{index:04d} no.")
    listed = len("\n\nChoices:\n (A) \n (B) ") + sum(map(len, options))
    start = f"{zlib.crc32(str(index).encode()):08x}"  # no two begin alike, as no two questions do
    prompt = start.ljust(characters - listed, ".")
    return Pair(f"estimated-{index}", prompt, options[index % 2], options[1 - index % 2], options)
