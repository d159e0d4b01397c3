"""The real llama.cpp, through ctypes: logits of a GGUF model, with and without a control vector.

The library is in the npm package `@node-llama-cpp/linux-x64`; `make .llama-cpp/ready` fetches it.
"""

from __future__ import annotations

import ctypes as c
import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

FOLDER = Path(os.environ.get("TRIMTAB_LLAMA_CPP", Path(__file__).parents[1] / ".llama-cpp"))


def library_folder() -> Path | None:
    """Where the shared libraries are, if they are there."""
    found = sorted(FOLDER.glob("**/libllama.*so"))
    return found[0].parent if found else None


_HELD: list[Any] = []


class _Params(c.Structure):
    """Settings of any version: larger than each, given and taken in memory, so that only the beginning is read."""

    _fields_ = (("numbers", c.c_uint32 * 256),)


class _Batch(c.Structure):
    _fields_ = (
        ("n_tokens", c.c_int32),
        ("token", c.POINTER(c.c_int32)),
        ("embd", c.POINTER(c.c_float)),
        ("pos", c.POINTER(c.c_int32)),
        ("n_seq_id", c.POINTER(c.c_int32)),
        ("seq_id", c.POINTER(c.POINTER(c.c_int32))),
        ("logits", c.POINTER(c.c_int8)),
    )


@functools.cache
def _library() -> Any:
    folder = library_folder()
    assert folder is not None
    for name in ("libggml-base.so", next(folder.glob("libggml.*so")).name):
        c.CDLL(str(folder / name), mode=c.RTLD_GLOBAL)
    ggml = c.CDLL(str(next(folder.glob("libggml.*so"))), mode=c.RTLD_GLOBAL)
    ggml.ggml_backend_load_all_from_path(str(folder).encode())
    llama = c.CDLL(str(next(folder.glob("libllama.*so"))), mode=c.RTLD_GLOBAL)
    quiet = c.CFUNCTYPE(None, c.c_int, c.c_char_p, c.c_void_p)(lambda level, text, data: None)
    _HELD.append(quiet)  # or it would be collected
    llama.llama_log_set(quiet, None)
    llama.llama_backend_init()
    for name in ("llama_model_default_params", "llama_context_default_params"):
        getattr(llama, name).restype = _Params
    llama.llama_model_load_from_file.restype = c.c_void_p
    llama.llama_model_load_from_file.argtypes = [c.c_char_p, _Params]
    llama.llama_init_from_model.restype = c.c_void_p
    llama.llama_init_from_model.argtypes = [c.c_void_p, _Params]
    llama.llama_model_get_vocab.restype = c.c_void_p
    for name in ("llama_model_get_vocab", "llama_model_n_embd", "llama_model_n_layer", "llama_vocab_n_tokens",
                 "llama_free", "llama_model_free"):  # fmt: skip
        getattr(llama, name).argtypes = [c.c_void_p]
    llama.llama_set_n_threads.argtypes = [c.c_void_p, c.c_int32, c.c_int32]
    llama.llama_decode.argtypes = [c.c_void_p, _Batch]
    llama.llama_batch_init.restype = _Batch
    llama.llama_batch_free.argtypes = [_Batch]
    llama.llama_get_logits_ith.restype = c.POINTER(c.c_float)
    llama.llama_get_logits_ith.argtypes = [c.c_void_p, c.c_int32]
    llama.llama_set_adapter_cvec.argtypes = [c.c_void_p, c.c_void_p, c.c_size_t, c.c_int32, c.c_int32, c.c_int32]
    return llama


class LlamaCpp:
    """A GGUF model in llama.cpp, on the CPU."""

    def __init__(self, path: Path):
        """Load it."""
        self._llama = llama = _library()
        self._model = llama.llama_model_load_from_file(str(path).encode(), llama.llama_model_default_params())
        assert self._model, f"llama.cpp cannot load {path}"
        self.width, self.layers = llama.llama_model_n_embd(self._model), llama.llama_model_n_layer(self._model)
        self._vocabulary = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self._model))

    def close(self) -> None:
        """Free it."""
        self._llama.llama_model_free(self._model)

    def logits(self, tokens: Sequence[int], control: Mapping[int, Tensor] | None = None) -> Tensor:
        """Logits of every token [tokens, vocabulary].

        Args:
            tokens: Of the text.
            control: N → `direction.N` [d_model], laid out as llama.cpp lays out what it reads from a file: the
                direction N in row N − 1, rows that are missing zero, applied to layers 1 to n_layers − 1.
        """
        llama, count = self._llama, len(tokens)
        context = llama.llama_init_from_model(self._model, llama.llama_context_default_params())
        llama.llama_set_n_threads(context, 1, 1)  # more of them wait for each other by spinning
        batch = llama.llama_batch_init(count, 0, 1)
        try:
            if control:
                rows = np.zeros((self.layers - 1, self.width), np.float32)
                for number, row in control.items():
                    rows[number - 1] = row.numpy()
                done = llama.llama_set_adapter_cvec(
                    context, rows.ctypes.data, rows.size, self.width, 1, self.layers - 1
                )
                assert done == 0
            batch.n_tokens = count
            for place, token in enumerate(tokens):
                batch.token[place], batch.pos[place], batch.logits[place] = token, place, 1
                batch.n_seq_id[place], batch.seq_id[place][0] = 1, 0
            assert llama.llama_decode(context, batch) == 0
            rows_of = [np.ctypeslib.as_array(llama.llama_get_logits_ith(context, i), (self._vocabulary,)).copy()
                       for i in range(count)]  # fmt: skip
            return torch.from_numpy(np.stack(rows_of))
        finally:
            llama.llama_batch_free(batch)
            llama.llama_free(context)
