"""Errors of an OpenAI client as messages for people: which server, what is wrong, what to do; never the key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from trimtab.engines.vllm.wire.spec import KEY
from trimtab.errors import ModelError, SettingError

START = f'vllm serve MODEL --additional-config \'{{"{KEY}": {{"vectors": "FOLDER"}}}}\''


def openai_library() -> Any:
    """The openai package.

    Raises:
        SettingError: when it is not installed.
    """
    try:
        import openai
    except ImportError:
        raise SettingError("asking a server needs the openai client: pip install 'trimtab[judge]'") from None
    return openai


@contextmanager
def readable_errors(url: str, timeout_seconds: float, api_key: str | None) -> Iterator[None]:
    """Turn what the client raises into errors of ours.

    Raises:
        SettingError: for what the server refuses.
        ModelError: when there is no such server, it fails or takes too long.
    """
    openai = openai_library()

    def shown(text: str) -> str:
        return text.replace(api_key, "[hidden]") if api_key else text

    try:
        yield
    except openai.APITimeoutError:
        raise ModelError(
            f"the server at {url} has not answered within {timeout_seconds:g} s; give Served a longer timeout_seconds, "
            "or ask for fewer tokens or less in parallel"
        ) from None
    except openai.APIConnectionError as error:
        raise ModelError(
            f"the connection to {url} fails ({error.__cause__ or error}). If no server runs there, start one: {START}"
        ) from None
    except openai.APIStatusError as error:
        words = _own_words(error)
        raise _refused(url, error.status_code, None if words is None else shown(words)) from None
    except (openai.OpenAIError, ValueError) as error:  # in the middle of a stream, or no JSON
        raise ModelError(f"the server at {url} fails: {shown(str(error))}") from None


def no_openai_server(url: str) -> ModelError:
    """For an answer that no server like vLLM's gives."""
    return ModelError(f"what answers at {url} has not OpenAI's interface; give the address of a vLLM server")


def _refused(url: str, status: int, message: str | None) -> ModelError | SettingError:
    if status in (401, 403):
        return SettingError(f"the server at {url} refuses the key ({status}): give Served(api_key=…)")
    if message is None and status < 500:
        return no_openai_server(url)
    if status == 429 or status >= 500:
        return ModelError(f"the server at {url} fails ({status}): {message or 'it does not say why'}")
    return SettingError(f"the server at {url} refuses: {message}")


def _own_words(error: Any) -> str | None:
    """What the server says, where it answers as OpenAI's does."""
    message = error.body.get("message") if isinstance(error.body, dict) else None
    return message if isinstance(message, str) else None
