"""One line of `pairs.jsonl`: keys, types and meaning checked, then a Pair."""

from __future__ import annotations

from typing import Any

from trimtab._util.suggest import nearest_word
from trimtab.data._jsonl import json_kind
from trimtab.data.formats.base import PairFormat
from trimtab.data.pairs import Message, Pair
from trimtab.inputs.characters import character_not_for_names

REQUIRED = ("prompt", "positive", "negative")
KEYS = (*REQUIRED, "choices", "listed", "id", "meta")
ROLES = ("system", "user", "assistant")

# What other tools call the same thing; spelling alone would not find these.
_SYNONYMS = {
    "question": "prompt", "instruction": "prompt", "input": "prompt", "text": "prompt", "messages": "prompt",
    "chosen": "positive", "pos": "positive", "rejected": "negative", "neg": "negative",
    "options": "choices", "metadata": "meta", "name": "id",
}  # fmt: skip

_SYSTEM = (
    'a system prompt is the first message of "prompt": [{"role": "system", "content": …}, {"role": "user", "content": '
    "…}]; a contrast between two system prompts is not read yet"
)
# Keys that mean something which no key here means: no near word would be right.
_ADVICE = dict.fromkeys(("system", "system_prompt", "system_message", "sys_prompt", "systemprompt"), _SYSTEM)


class PairsFormat(PairFormat):
    """trimtab's own format, `pairs.jsonl`."""

    name = "pairs"
    title = "pairs.jsonl"
    keys = REQUIRED
    writes = True

    def parse(self, row: dict[str, Any], default_id: str) -> Pair | list[str]:
        """The pair of a row, or everything that is wrong with it."""
        return parse_pair(row, default_id)

    def dump(self, pair: Pair) -> dict[str, Any]:
        """The row of a pair."""
        return pair.to_json()


PAIRS = PairsFormat()


def parse_pair(row: dict[str, Any], default_id: str) -> Pair | list[str]:
    """The pair that a line stands for, or everything that is wrong with the line."""
    row = {key: value for key, value in row.items() if value is not None or key in REQUIRED}
    faults = [
        *_key_faults(row),
        *_prompt_faults(row),
        *_completion_faults(row),
        *_choice_faults(row),
        *_other_faults(row),
    ]
    if faults:
        return faults
    prompt = row["prompt"]
    return Pair(
        id=str(row.get("id", default_id)),
        prompt=prompt if isinstance(prompt, str) else tuple(_message(message) for message in prompt),
        positive=row["positive"],
        negative=row["negative"],
        choices=tuple(row.get("choices", ())),
        listed=row.get("listed", True),
        meta=row.get("meta", {}),
    )


def _message(message: dict[str, str]) -> Message:
    return Message(role=message["role"], content=message["content"])


def _key_faults(row: dict[str, Any]) -> list[str]:
    faults = []
    meant = set()
    for key in row:
        if key in KEYS:
            continue
        if advice := _ADVICE.get(key.casefold()):
            faults.append(f'unknown key "{key}"; {advice}')
            continue
        right = _nearest_key(key)
        meant.add(right)
        hint = f'did you mean "{right}"?' if right else f"the keys are {', '.join(KEYS)}"
        faults.append(f'unknown key "{key}"; {hint} (anything else belongs into "meta")')
    # A misspelt key is one problem, not two.
    missing = [key for key in REQUIRED if key not in row and key not in meant]
    return faults + [f'the key "{key}" is missing' for key in missing]


def _nearest_key(key: str) -> str:
    """The intended key; "" where none is plainly."""
    return _SYNONYMS.get(key.casefold(), nearest_word(key, KEYS))


def _prompt_faults(row: dict[str, Any]) -> list[str]:
    if "prompt" not in row:
        return []
    prompt = row["prompt"]
    if isinstance(prompt, str):
        return [] if prompt.strip() else ['"prompt" is empty']
    if not isinstance(prompt, list):
        return [f'"prompt" must be text or a list of chat messages, not {json_kind(prompt)}']
    if not prompt:
        return ['"prompt" holds no messages']
    faults = [fault for number, message in enumerate(prompt, 1) for fault in _message_faults(number, message)]
    if not faults and prompt[-1]["role"] != "user":
        begun = "; what it begins goes to the front of both completions" if prompt[-1]["role"] == "assistant" else ""
        faults.append(f"the last message of \"prompt\" is the {prompt[-1]['role']}'s; it must be the user's{begun}")
    return faults


_ROLE_ADVICE = {
    "developer": 'its messages are written as "system"',
    "tool": "calls of tools and what they return are not read yet; say it in a user message",
    "function": "calls of functions and what they return are not read yet; say it in a user message",
    "human": 'write "user"',
    "gpt": 'write "assistant"',
    "model": 'write "assistant"',
}


def _message_faults(number: int, message: Any) -> list[str]:
    where = f'message {number} of "prompt"'
    if isinstance(message, dict) and {"from", "value"} <= set(message):
        return [f'{where} has the keys from and value; write {{"role": "user" or "assistant", "content": …}}']
    if not isinstance(message, dict) or not {"role", "content"} <= set(message):
        return [f'{where} must be {{"role": …, "content": …}}']
    faults = []
    if more := sorted(set(message) - {"role", "content"}):
        faults.append(f"{where} has more keys ({', '.join(more)}), which would be lost; only role and content are read")
    if message["role"] not in ROLES:
        advice = _ROLE_ADVICE.get(str(message["role"]).casefold(), f"the roles are {', '.join(ROLES)}")
        faults.append(f"{where} has the role {message['role']!r}; {advice}")
    content = message["content"]
    if isinstance(content, list):
        faults.append(f'"content" of {where} must be text, not a list of parts; write what its text parts say')
    elif not isinstance(content, str):
        faults.append(f'"content" of {where} must be text, not {json_kind(content)}')
    elif not content.strip():
        faults.append(
            f'"content" of {where} is empty; leave the message out (switching off a system prompt that a template '
            "brings along is not possible yet)"
        )
    return faults


def _completion_faults(row: dict[str, Any]) -> list[str]:
    faults = []
    for key in ("positive", "negative"):
        if key not in row:
            continue
        if not isinstance(row[key], str):
            faults.append(f'"{key}" must be text, not {json_kind(row[key])}')
        elif not row[key].strip():
            faults.append(f'"{key}" is empty')
    texts = [row[key].strip() for key in ("positive", "negative") if key in row and not faults]
    if len(texts) == 2 and texts[0] == texts[1]:
        faults.append('"positive" and "negative" are equal; a pair needs two different completions')
    return faults


def _choice_faults(row: dict[str, Any]) -> list[str]:
    if "choices" not in row:
        return ['"listed" needs "choices"; add the two options or drop it'] if "listed" in row else []
    choices = row["choices"]
    if not isinstance(choices, list) or not all(isinstance(option, str) for option in choices):
        return ['"choices" must be a list of two texts']
    if len(choices) != 2:
        return [f'"choices" holds {len(choices)}; give exactly two, the positive and the negative']
    if choices[0].strip() == choices[1].strip():
        return ['the two "choices" are equal']
    return [
        f'"{key}" is not one of the "choices"{_nearly(row[key], choices)}; repeat one letter by letter'
        for key in ("positive", "negative")
        if isinstance(row.get(key), str) and row[key].strip() and row[key] not in choices
    ]


def _nearly(text: str, choices: list[str]) -> str:
    plain = text.strip().casefold()
    same = any(plain == option.strip().casefold() for option in choices)
    return " (only spaces or capitals differ)" if same else ""


def _other_faults(row: dict[str, Any]) -> list[str]:
    faults = []
    if "listed" in row and not isinstance(row["listed"], bool):
        faults.append(f'"listed" must be true or false, not {json_kind(row["listed"])}')
    if "meta" in row and not isinstance(row["meta"], dict):
        faults.append(f'"meta" must be an object, not {json_kind(row["meta"])}')
    name = row.get("id", "-")
    if isinstance(name, bool) or not isinstance(name, (str, int)):
        faults.append(f'"id" must be text, not {json_kind(name)}')
    elif not str(name).strip():
        faults.append('"id" is empty; name the pair or drop the key')
    elif found := character_not_for_names(str(name)):
        faults.append(f'"id" holds {found}; name the pair without it')
    return faults
