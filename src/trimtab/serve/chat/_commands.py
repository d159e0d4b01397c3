"""What can be typed between two messages: each command changes the chat and returns what it did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from trimtab._util.suggest import nearest_word
from trimtab._util.wording import plural
from trimtab.data import Message
from trimtab.errors import SettingError
from trimtab.inputs.bounded_files import expand_user, file_problem
from trimtab.inputs.characters import character_not_for_names
from trimtab.monitors import READS, PromptCondition, PromptRead
from trimtab.serve.chat import _transcript
from trimtab.serve.chat._beginnings import beginning_of, first_layer, of_run, usual_beginning
from trimtab.serve.chat._state import ChatState
from trimtab.steering import (
    POSITIONS,
    SCALES,
    Cell,
    SteeringSetting,
    check_strength,
    push_scales,
    require_fit,
    require_layers,
)
from trimtab.study.setting_to_use import setting_for_model
from trimtab.vectors import SteeringVector, layer_ranges

HELP = """\
/run RUN           take the setting that a run recommends; of several: /run RUN BEHAVIOR
/vector FILE       load another vector
/layer 9           steer at this layer; several: /layer 9,10
/strength 0.4      steering strength; 0 for the unsteered model
/share             whether several layers share the strength, or each gets all of it
/from 9            use this layer's vector at all of them; /from own: each layer's own
/scale relative    unit of the strength: {scales}
/positions all     steered tokens: {positions}
/when FILE 0.8     push only where the prompt scores above it by this monitor; /when off
/compare           show the unsteered reply beside the steered one, on or off
/system TEXT       begin with this system message; without a text: with none
/retry             write the last reply again, with the next seed
/tokens 200        maximum length of a reply
/temperature 0.7   sampling temperature; 0 is greedy
/save FILE         save the conversation with its settings, as .jsonl or .md
/show              show the settings
/clear             start a new conversation
/quit              end the chat"""


def run_command(chat: ChatState, line: str) -> str:
    """Run a line that begins with a slash; returns what it did.

    Raises:
        TrimtabError: For what cannot be; the chat is as before then.
    """
    name, _, rest = line[1:].partition(" ")
    if name in _COMMANDS:
        try:
            return _COMMANDS[name](chat, rest.strip())
        except OSError as error:  # a name that no file can have, a folder that may not be entered
            raise SettingError(file_problem(error) or str(error)) from None
    near = nearest_word(name, [*_COMMANDS, "retry"])
    return f"! no command /{name}; " + (f"did you mean /{near}?" if near else "/help lists them")


def _run(chat: ChatState, text: str) -> str:
    if not text:
        raise SettingError("/run takes the folder of a run, such as /run runs/quickstart")
    run, _, behavior = text.rpartition(" ") if " " in text and not expand_user(text).exists() else (text, "", "")
    return chat.begin(of_run(setting_for_model(expand_user(run), chat.model.name, behavior)))


def _vector(chat: ChatState, text: str) -> str:
    path = expand_user(text)
    recommended = beginning_of(path)
    if chat.vector is None:
        return chat.begin(recommended or usual_beginning(SteeringVector.load(path), (), SteeringSetting()))
    vector = recommended.vector if recommended else SteeringVector.load(path)
    vector = require_fit(vector, chat.model.backbone)
    there = [layer for layer in chat.layers if layer in vector.layers]
    moved = chat.layers and there != chat.layers
    chat.vector, chat.layers = vector, there or [first_layer(vector)]
    return chat.settings + (f"\nno direction at the layers before: {layer_ranges(vector.layers)}" if moved else "")


def _layer(chat: ChatState, text: str) -> str:
    vector = _required_vector(chat)
    try:
        layers = [int(part) for part in text.split(",")]
    except ValueError:
        raise SettingError(f"{text!r} is no layer; give a number, or several as 9,10") from None
    require_layers(layers, vector.n_layers)
    if chat.setting.vector_layer is None:
        vector.require_directions(layers)
    chat.layers = layers
    return chat.settings


def _strength(chat: ChatState, text: str) -> str:
    strength = check_strength(_number(text, "strength"))
    if chat.vector is not None and strength:
        chat.setting.intervention(chat.vector, Cell(tuple(chat.layers), strength))
    chat.strength = strength
    return chat.settings


def _share(chat: ChatState, text: str) -> str:
    return _changed(chat, share_strength=not chat.setting.share_strength)


def _vector_layer(chat: ChatState, text: str) -> str:
    vector = _required_vector(chat)
    if text != "own" and not text.isdecimal():
        raise SettingError(f"{text!r} is no layer; give a number, or own")
    layer = None if text == "own" else int(text)
    require_layers([] if layer is None else [layer], vector.n_layers)
    vector.require_directions(chat.layers if layer is None else [layer])
    return _changed(chat, vector_layer=layer)


def _scale(chat: ChatState, text: str) -> str:
    if SCALES.get(text).calibrated:
        raise SettingError(f"{text} is for sweeps; the scales here are {', '.join(push_scales())}")
    if chat.setting.share_strength and not SCALES.get(text).shares_strength:
        raise SettingError(f"layers cannot share a strength of the scale {text}; /share ends that")
    return _changed(chat, scale=text)


def _positions(chat: ChatState, text: str) -> str:
    return _changed(chat, positions=text)


def _when(chat: ChatState, text: str) -> str:
    if text == "off":
        chat.condition = None
        return chat.settings
    if not text:
        raise SettingError("/when takes the file of a monitor, such as /when cheerful-monitor.safetensors 0.8, or off")
    words = text.split()
    read = cast(PromptRead, words.pop()) if words[-1] in READS and len(words) > 1 else "mean"
    threshold = _number(words.pop(), "threshold") if len(words) > 1 else 0.5
    condition = PromptCondition.of_file(expand_user(" ".join(words)), threshold, read)
    condition.require_fit(chat.model)
    chat.condition = condition
    return chat.settings


def _compare(chat: ChatState, text: str) -> str:
    chat.compare = not chat.compare
    return f"the unsteered reply is {'shown too' if chat.compare else 'not shown'}"


def _system(chat: ChatState, text: str) -> str:
    if text:  # a template that has no place for it says so now, not at the next message
        chat.model.tokens([Message(role="system", content=text), Message(role="user", content="Hello")])
    chat.system = text
    return f"system message: {text}" if text else "no system message"


def _tokens(chat: ChatState, text: str) -> str:
    number = _number(text, "number of tokens")
    if not 1 <= number <= 8192:
        raise SettingError(f"{text} tokens cannot be written; give 1 to 8192")
    chat.max_new_tokens = int(number)
    return f"replies end after {plural(chat.max_new_tokens, 'token')}"


def _temperature(chat: ChatState, text: str) -> str:
    number = _number(text, "temperature")
    if not 0 <= number <= 10:
        raise SettingError(f"temperature {text} is not between 0 and 10")
    chat.temperature = number
    return f"temperature {number:g}"


def _save(chat: ChatState, text: str) -> str:
    if not text:
        raise SettingError("/save takes the name of a file, such as /save chat.jsonl or /save chat.md")
    if not chat.turns:
        raise SettingError("there is nothing to save yet")
    if wrong := character_not_for_names(text):
        raise SettingError(f"the name of a file cannot hold {wrong}")
    path = expand_user(text)
    if path.exists() and path.resolve() not in chat.saved:
        raise SettingError(f"{path}: there is a file of this name; choose another")
    model = chat.model
    _transcript.save(path, chat.turns, {"model": model.name, "fingerprint": model.fingerprint, **model.asking.changes})
    chat.saved.add(path.resolve())
    return f"{path}: {plural(len(chat.turns), 'reply', 'replies')} saved"


def _clear(chat: ChatState, text: str) -> str:
    chat.turns = []
    return "a new conversation begins"


def _quit(chat: ChatState, text: str) -> str:
    chat.over = True
    return "goodbye"


def _changed(chat: ChatState, **options: Any) -> str:
    """Change the setting, if the vector can be pushed with it."""
    changed = replace(chat.setting, **options)
    if chat.vector is not None and chat.strength:
        changed.intervention(chat.vector, Cell(tuple(chat.layers), chat.strength))
    chat.setting = changed
    return chat.settings


def _required_vector(chat: ChatState) -> SteeringVector:
    if chat.vector is None:
        raise SettingError("there is no vector to push along; /vector FILE takes one")
    return chat.vector


def _number(text: str, what: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise SettingError(f"{text!r} is no {what}; give a number") from None


_COMMANDS: dict[str, Callable[[ChatState, str], str]] = {
    "run": _run,
    "vector": _vector,
    "layer": _layer,
    "strength": _strength,
    "share": _share,
    "from": _vector_layer,
    "scale": _scale,
    "positions": _positions,
    "when": _when,
    "compare": _compare,
    "system": _system,
    "tokens": _tokens,
    "temperature": _temperature,
    "save": _save,
    "show": lambda chat, _: chat.settings,
    "clear": _clear,
    "quit": _quit,
    "help": lambda _, __: HELP.format(scales=", ".join(push_scales()), positions=", ".join(POSITIONS)),
}
