"""Steering over HTTP: what an OpenAI client adds to a request, and a small client for a vLLM server that steers.

    served = Served("http://localhost:8000", folder="/vectors")
    served.publish("cheerful", vector)
    served.generate(["How was your day?"], steering=steer("cheerful", layer=14, strength=0.1))

With any other client, the same comes from `request_fields(steer(...))`, merged into the body of the request.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from trimtab.engines.requests import Prompt
from trimtab.engines.vllm.guard.http_errors import START, no_openai_server, openai_library, readable_errors
from trimtab.engines.vllm.wire.spec import KEY, Push, Spec, is_name
from trimtab.errors import ModelError, SettingError
from trimtab.inputs.secrets import why_no_address
from trimtab.steering import SCALES, SteeringOptions, SteeringSetting
from trimtab.vectors import SteeringVector

if TYPE_CHECKING:
    from typing_extensions import Unpack

_NO_KEY = "none"
"""Sent where no key is given, so that the client takes none from `OPENAI_API_KEY`, which is for another server."""


def steer(
    vector: str,
    layer: int | Sequence[int],
    strength: float | None = None,
    **options: Unpack[SteeringOptions],
) -> Spec:
    """What a request says, in the words of `Model.steer`; `and_also` puts several vectors together.

    Args:
        vector: name of a vector that the server has: a file of its folder, without `.safetensors`.
        layer: behind which decoder layer to push, or several.
        strength: α; by default what is usual for the scale, 0.1 for `relative`, 1 for `raw`.
        options: the fields of `trimtab.steering.SteeringSetting`: scale, positions, first_token, share_strength,
            vector_layer.

    Raises:
        SettingError: for what steers nothing. Only the server knows whether it has the vector and the layer.
    """
    _require_name(vector)
    if "gate" in options:
        raise SettingError("a request carries no gate: leave it out")
    layers = (layer,) if isinstance(layer, int) else tuple(layer)
    how = SteeringSetting(**options)
    strength = SCALES.get(how.scale).usual_strength if strength is None else strength
    push = Push(vector, layers, how.strength_of_each(strength, len(layers)), how.scale, how.vector_layer)
    return Spec((push,), how.positions, how.first_token)


def request_fields(steering: Spec) -> dict[str, Any]:
    """What is merged into the body of a request (`extra_body` of the openai client) to steer it.

    Returns:
        `vllm_xargs`, which the plugin reads, and `cache_salt`, for caches that know nothing of steering.
    """
    salt = {} if steering.salt is None else {"cache_salt": steering.salt}
    return {"vllm_xargs": {KEY: steering.to_json()}, **salt}


@dataclass(frozen=True)
class Served:
    """A vLLM server that steers, at an address. Nothing is asked of it before it is needed."""

    url: str
    """Such as http://localhost:8000."""
    model: str | None = None
    """By the name that the server has for it; by default the first that it lists."""
    api_key: str | None = field(default=None, repr=False)
    """What the server was started with as `--api-key`."""
    folder: str | Path | None = None
    """The server's folder of vectors, as it is called on this machine."""
    timeout_seconds: float = 600.0
    """How long one try of a request may take; what fails for no fault of ours is tried three times."""
    parallel: int = 64
    """Requests on their way at once; the server batches them."""

    def __post_init__(self) -> None:
        """Refuse values that are out of range or contradict each other."""
        if reason := why_no_address(self.url):
            raise SettingError(f"the address of the server {reason}; a key is given as Served(api_key=…)")
        if not self.timeout_seconds > 0:
            raise SettingError(f"timeout_seconds is {self.timeout_seconds}; give a number above 0")
        if self.parallel < 1:
            raise SettingError(f"parallel is {self.parallel}; it takes at least one")

    def publish(self, name: str, vector: SteeringVector) -> Path:
        """Put a vector into the server's folder, where requests find it by name at once.

        A name is not given to another vector: anyone else who asks for it would be steered otherwise all of a sudden.

        Raises:
            SettingError: without a folder, for a name that is none, or when the name stands for another vector.
            VectorError: when the folder is not writable, or holds something else under that name.
        """
        _require_name(name)
        if self.folder is None or not Path(self.folder).is_dir():
            raise SettingError(
                f"{self.folder} is no folder: give Served(folder=…), the folder that the server was started with"
            )
        file = Path(self.folder) / f"{name}.safetensors"
        if not file.exists():
            return vector.save(file)
        if not torch.equal(SteeringVector.load(file).direction, vector.direction):
            raise SettingError(f"{file} holds another vector: take another name, or delete that file first")
        return file

    def generate(
        self,
        prompts: Sequence[Prompt],
        *,
        steering: Spec | Sequence[Spec | None] | None = None,
        max_new_tokens: int = 128,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
    ) -> list[str]:
        """Answers to several prompts, thinking off; the server writes them side by side.

        Args:
            prompts: messages, or conversations.
            steering: from `steer`: one for all prompts, or one for each; None leaves a prompt alone.
            max_new_tokens: of each answer.
            temperature: 0 takes the likeliest token each time.
            top_p: draw from the likeliest tokens that have this probability together.
            seed: prompt i draws with seed + i, whatever else the server is doing.

        Raises:
            SettingError: for what the server refuses, such as an unknown vector, a layer out of range, a key.
            ModelError: when there is no such server, it fails or takes too long, or it does not steer.
        """
        cells = [steering] * len(prompts) if steering is None or isinstance(steering, Spec) else list(steering)
        if len(cells) != len(prompts):
            raise SettingError(f"{len(prompts)} prompts need as many steerings, not {len(cells)}")
        bodies = [
            self._body(prompt, cell, max_new_tokens, temperature, top_p, seed + i)
            for i, (prompt, cell) in enumerate(zip(prompts, cells, strict=True))
        ]
        pool = ThreadPoolExecutor(self.parallel)
        try:
            futures = [pool.submit(self._answer, body) for body in bodies]
            for future in as_completed(futures):
                future.result()  # the first failure ends it
            return [future.result() for future in futures]
        finally:
            pool.shutdown(cancel_futures=True)

    def stream(
        self,
        prompt: Prompt,
        *,
        steering: Spec | None = None,
        max_new_tokens: int = 128,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
    ) -> Iterator[str]:
        """One answer, piece by piece as it is written; settings and errors as in `generate`.

        Closing the iterator stops the server's work on it.
        """
        body = self._body(prompt, steering, max_new_tokens, temperature, top_p, seed)
        with self._readable_errors(), self._client.chat.completions.create(**body, stream=True) as chunks:
            for chunk in chunks:
                piece = chunk.choices[0].delta.content if chunk.choices else None
                if piece:
                    yield piece

    def _body(
        self, prompt: Prompt, steering: Spec | None, max_new_tokens: int, temperature: float, top_p: float, seed: int
    ) -> dict[str, Any]:
        if steering is not None and not self._reads_steering:
            raise ModelError(
                f"the server at {self.url} does not read what a request says of steering: install trimtab in its "
                f"environment and start it with: {START}"
            )
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
        return {
            "model": self._model,
            "messages": messages,
            "max_tokens": max_new_tokens,
            "temperature": temperature,
            "top_p": top_p,
            "seed": seed,
            "extra_body": {
                "chat_template_kwargs": {"enable_thinking": False},
                # A server takes what a request leaves open from the model's generation_config.json.
                "top_k": 0,
                "min_p": 0.0,
                "repetition_penalty": 1.0,
                **({} if steering is None else request_fields(steering)),
            },
        }

    def _answer(self, body: dict[str, Any]) -> str:
        with self._readable_errors():
            answer = self._client.chat.completions.create(**body)
            if not getattr(answer, "choices", None):
                raise no_openai_server(self.url)
            return (answer.choices[0].message.content or "").strip()

    @cached_property
    def _client(self) -> Any:
        openai = openai_library()
        base = self.url.rstrip("/")
        return openai.OpenAI(
            base_url=base if base.endswith("/v1") else f"{base}/v1",
            api_key=self.api_key or _NO_KEY,
            # The environment may name those of another service.
            default_headers={"OpenAI-Organization": openai.Omit(), "OpenAI-Project": openai.Omit()},
            timeout=self.timeout_seconds,
            max_retries=2,
        )

    @cached_property
    def _model(self) -> str:
        if self.model is not None:
            return self.model
        with self._readable_errors():
            listed = self._client.get("/models", cast_to=object)
        try:
            return str(listed["data"][0]["id"])
        except (LookupError, TypeError):
            raise no_openai_server(self.url) from None

    @cached_property
    def _reads_steering(self) -> bool:
        """Found out by asking for steering that steers nothing: a server that answers all the same does not read it.

        Steering that silently does nothing is the worst bug there is.

        Raises:
            SettingError: when the server could steer, but was not started to.
        """
        body: dict[str, Any] = {"model": self._model, "messages": [{"role": "user", "content": "?"}], "max_tokens": 1}
        try:
            self._answer({**body, "extra_body": {"vllm_xargs": {KEY: "?"}}})
        except SettingError as error:
            if f"{KEY}: not JSON" not in str(error):
                raise
            return True
        return False

    def _readable_errors(self) -> AbstractContextManager[None]:
        return readable_errors(self.url, self.timeout_seconds, self.api_key)


def _require_name(name: str) -> None:
    if not is_name(name):
        raise SettingError(
            f"{name!r} is no name of a vector: letters, digits, '.', '_' and '-', a letter or digit first, 128 at most"
        )
