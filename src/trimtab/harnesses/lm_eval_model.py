"""A model of lm-eval that is steered: log-likelihoods and generation under one push.

Importing this module registers it as `trimtab`; `python -m trimtab.harnesses.lm_harness` does, and runs lm-eval.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from lm_eval import utils
from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM
from lm_eval.api.registry import register_model
from lm_eval.models.utils import handle_stop_sequences, has_bos_prefix, normalize_gen_kwargs
from tqdm import tqdm

from trimtab.data import Message
from trimtab.engines import Request, Sampling, TokenScores, score_tokens
from trimtab.errors import SettingError, TrimtabWarning
from trimtab.harnesses._generation_rules import Draws, cut, stops_at
from trimtab.harnesses.steered_model import SteeredModel
from trimtab.models import Text
from trimtab.models.prompting.rendering import render_prompt

MODEL_KEYS = ("model", "seed", "max_length", "add_bos_token")
_UNKNOWN_LENGTH = 2048
"""Tokens that a model takes where its configuration does not say; lm-eval's own default."""
_USUAL_DEVICE = "cuda:0"
"""What lm-eval's command line gives where `--device` is left out; its own models ignore it on machines without CUDA."""
_MAX_NEW_TOKENS = 256
"""Of a reply whose task does not say; lm-eval's own default."""

_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "top_k": (None, 0, -1), "num_beams": (None, 1), "num_return_sequences": (None, 1), "repetition_penalty": (None, 1),
}  # fmt: skip
"""Values with which a generation setting that trimtab does not have changes nothing."""


@register_model("trimtab")
class SteeredLM(TemplateLM):  # type: ignore[misc]  # lm-eval is not typed
    """A model under one push, for every task of lm-eval.

    Texts are tokenized, truncated and scored as lm-eval's own `hf` does, so that unsteered results are the same.
    """

    def __init__(
        self,
        model: str | SteeredModel = "",
        *,
        batch_size: int | str | None = None,
        max_batch_size: int | None = None,
        device: str | None = None,
        seed: int = 0,
        max_length: int | None = None,
        add_bos_token: bool | None = None,
        **arguments: Any,
    ):
        """Load the model and its vector.

        Args:
            model: What `trimtab.load` takes, or such a name with a setting, such as `smollm2-135m:cheerful@0.3`; or a
                model that is loaded, with its push.
            batch_size: Has no effect: batches are as large as memory allows.
            max_batch_size: The same.
            device: Where the model runs; the best there is by default.
            seed: Of tasks that sample.
            max_length: Tokens that contexts are truncated to; what the model was made for by default.
            add_bos_token: Whether texts begin with that token; as the tokenizer does by default.
            arguments: See `SteeredModel.open`.

        Raises:
            TrimtabError: For arguments that cannot be, and whatever keeps a model or a vector from being loaded.
        """
        super().__init__()
        if not model:
            given = " (lm-eval's hf calls it pretrained)" if "pretrained" in arguments else ""
            raise SettingError(f"--model_args names no model{given}: model=smollm2-135m, for example")
        if str(batch_size or 1) not in ("1", "auto") or max_batch_size is not None:
            warnings.warn(
                "batch sizes have no effect on a trimtab model: batches are as large as memory allows "
                "(memory_bytes=… bounds them)", TrimtabWarning, stacklevel=2,
            )  # fmt: skip
        if device and not (device == _USUAL_DEVICE and not torch.cuda.is_available()):
            arguments["device"] = device
        steered = model if isinstance(model, SteeredModel) else SteeredModel.open(model, arguments, MODEL_KEYS)
        self.steered: SteeredModel = steered
        self.tokenizer = self.steered.model.backbone.tokenizer
        self._max_length, self._add_bos, self._seed = max_length, add_bos_token, int(seed)
        self._draws = Draws()

    @classmethod
    def create_from_arg_obj(
        cls, arg_dict: dict[str, Any], additional_config: dict[str, Any] | None = None
    ) -> SteeredLM:
        """Make one from `--model_args`; what stands there goes before what the command line gives by default."""
        given = {name: value for name, value in (additional_config or {}).items() if value is not None}
        return cls(**{**given, **arg_dict})

    def get_model_info(self) -> dict[str, Any]:
        """What lm-eval puts under `config` of its results."""
        backbone = self.steered.model.backbone
        return {
            "model_num_parameters": backbone.facts.parameters,
            "model_dtype": self.steered.description["dtype"],
            "trimtab": self.steered.description,
        }

    @property
    def eot_token_id(self) -> int:
        """The token that ends a text."""
        return int(self.tokenizer.eos_token_id)

    @property
    def prefix_token_id(self) -> int:
        """What stands before a text without a context."""
        first = self.tokenizer.bos_token_id
        return self.eot_token_id if first is None else int(first)

    @property
    def max_length(self) -> int:
        """Tokens that the model takes."""
        return self._max_length or self.steered.model.backbone.context.tokens or _UNKNOWN_LENGTH

    @property
    def tokenizer_name(self) -> str:
        """For lm-eval's cache of requests."""
        return str(self.tokenizer.name_or_path or self.steered.model.name).replace("/", "__")

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:
        """Tokens of a text, with a first token of the sequence where the tokenizer puts one."""
        if add_special_tokens is None and has_bos_prefix(string, self.tokenizer.decode(self.prefix_token_id)):
            add_special_tokens = False
        special = self._add_bos if add_special_tokens is None else add_special_tokens
        how = {} if special is None else {"add_special_tokens": special}
        return list(self.tokenizer.encode(string, **how))

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """A conversation as the model reads it; with `add_generation_prompt` False, the last message is continued.

        Raises:
            DataError: When the template refuses the conversation or leaves a message out.
        """
        messages = [Message(role=one["role"], content=one["content"]) for one in chat_history]
        return render_prompt(self.tokenizer, messages, self.steered.model.asking)

    def _loglikelihood_tokens(
        self, requests: Sequence[tuple[Any, list[int], list[int]]], disable_tqdm: bool = False, **_: Any
    ) -> list[tuple[float, bool]]:
        texts = [self._text(context, continuation) for _, context, continuation in requests]
        distinct = list(dict.fromkeys(texts))
        found: dict[Text, TokenScores] = {}
        scores = score_tokens(self.steered.model, distinct, self.steered.intervention)
        for index, one in tqdm(
            scores, total=len(distinct), disable=disable_tqdm, desc="Running loglikelihood requests"
        ):
            found[distinct[index]] = one
        answers = [(found[text].total, found[text].is_greedy) for text in texts]
        for (asked, _context, _continuation), answer in zip(requests, answers, strict=True):
            if asked is not None:
                self.cache_hook.add_partial("loglikelihood", asked, answer)
        return answers

    def _text(self, context: list[int], continuation: list[int]) -> Text:
        """Context and continuation, without what is too much at the beginning: the last token is not run itself."""
        if len(continuation) > self.max_length:
            raise SettingError(
                f"a continuation of {len(continuation):,} tokens cannot be scored: the model takes {self.max_length:,}"
            )
        tokens = tuple(context + continuation)[-(self.max_length + 1) :]
        return Text(tokens, len(tokens) - len(continuation))

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = False) -> list[float]:
        """Log-likelihood of whole texts; of those that are too long, window by window as lm-eval's `hf` does."""
        windows: list[tuple[None, list[int], list[int]]] = []
        owners: list[int] = []
        for index, request in enumerate(requests):
            parts = utils.get_rolling_token_windows(
                token_list=self.tok_encode(request.args[0]),
                prefix_token=self.prefix_token_id,
                max_seq_len=self.max_length,
                context_len=1,
            )
            for window in map(utils.make_disjoint_window, parts):
                windows.append((None, *window))
                owners.append(index)
        totals = [0.0] * len(requests)
        for owner, (total, _) in zip(owners, self._loglikelihood_tokens(windows, disable_tqdm), strict=True):
            totals[owner] += total
        for request, total in zip(requests, totals, strict=True):
            self.cache_hook.add_partial("loglikelihood_rolling", request.args, total)
        return totals

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Continue contexts until a stop sequence; all requests are written side by side."""
        asked = [self._generation(*request.args) for request in requests]
        written: dict[int, str] = {}
        replies = self.steered.model.replies([request for request, _ in asked])
        for index, reply in tqdm(
            replies, total=len(asked), disable=disable_tqdm, desc="Running generate_until requests"
        ):
            text = self.tokenizer.decode(list(reply.tokens), skip_special_tokens=True)
            written[index] = cut(text, asked[index][1])
            self.cache_hook.add_partial("generate_until", requests[index].args, written[index])
        return [written[index] for index in range(len(requests))]

    def _generation(self, context: str, gen_kwargs: dict[str, Any]) -> tuple[Request, list[str]]:
        """A request, and its stop sequences.

        Raises:
            SettingError: For generation settings that trimtab does not have.
        """
        options = dict(normalize_gen_kwargs(gen_kwargs, _MAX_NEW_TOKENS))
        stops = handle_stop_sequences(options.pop("until", None), eos=self.tokenizer.decode(self.eot_token_id))
        length = int(options.pop("max_gen_toks"))
        sample, temperature = options.pop("do_sample", None), float(options.pop("temperature", 0.0) or 0.0)
        top_p, seed = float(options.pop("top_p", 1.0) or 1.0), int(options.pop("seed", self._seed) or 0)
        options = {name: value for name, value in options.items() if value not in _NEUTRAL.get(name, ())}
        if options:
            raise SettingError(
                f"a trimtab model does not take {', '.join(map(str, options))} of a task or --gen_kwargs; it takes "
                "until, max_gen_toks, do_sample, temperature, top_p, seed"
            )
        if sample and not temperature > 0:
            raise SettingError("do_sample draws tokens, so it needs a temperature above 0")
        if length >= self.max_length:
            raise SettingError(
                f"max_gen_toks {length:,} leaves no room for a context in the {self.max_length:,} tokens of the model"
            )
        tokens = tuple(self.tok_encode(context)[-(self.max_length - length) :]) or (self.prefix_token_id,)
        sampling = None
        if temperature > 0 and sample is not False:
            sampling = Sampling(self._draws.seed(seed, tokens), temperature, top_p)
        return Request(tokens, self.steered.intervention, length, sampling, stops_at(stops)), stops
