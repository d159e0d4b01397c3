"""A model of which several processes hold a part each: transformers' tensor parallelism, started by torchrun.

Every process makes the same calls with the same inputs. Between layers all of them have the whole residual stream, so
what is read and pushed there is what one process reads and pushes.
"""

from __future__ import annotations

import os
from typing import Any

import torch

from trimtab.errors import ModelError, SettingError
from trimtab.models.facts import first_of
from trimtab.models.kinds.device_maps import Device
from trimtab.models.kinds.quantization import Quantization


def divided_options(adapter: Any, empty: Any) -> dict[str, Any]:
    """Arguments of `from_pretrained` that give each process its part.

    Args:
        adapter: that the model is, if it is one.
        empty: the model without its weights.

    Raises:
        ModelError: for a model without a plan, or that cannot be divided into that many parts.
    """
    if adapter is not None:
        raise ModelError("an adapter cannot be divided; merge it into its model first")
    if not getattr(empty, "supports_tp_plan", False):
        raise ModelError(
            f"transformers has no plan of how to divide {type(empty).__name__}; spread its layers with "
            "device='balanced' instead, or use engine='vllm'"
        )
    config, count = empty.config.get_text_config(), process_count()
    heads = {key: first_of(config, key) for key in ("num_attention_heads", "num_key_value_heads")}
    if uneven := [f"{number} {key[4:].replace('_', ' ')}" for key, number in heads.items() if number % count]:
        raise ModelError(f"{' and '.join(uneven)} cannot be divided evenly by {count} processes")
    try:
        from transformers.distributed import DistributedConfig
    except ImportError:  # before transformers 5.2
        return {"tp_plan": "auto"}
    return {"distributed_config": DistributedConfig(tp_plan="auto")}


def check_division(tensor_parallel: bool, device: Device, quantization: Quantization) -> None:
    """Refuse to divide a model in a process that was not started beside others, or where more is asked for.

    Raises:
        SettingError: with how to start them, or what to leave out.
    """
    if not tensor_parallel:
        return
    if device != "auto" or quantization:
        raise SettingError("tensor_parallel: each process takes its own GPU; leave out device and quantization")
    if not {"RANK", "WORLD_SIZE", "LOCAL_RANK"} <= os.environ.keys():
        raise SettingError(
            "tensor_parallel divides a model over several processes, and this is one alone; start them with "
            "torchrun --nproc-per-node 2 SCRIPT.py"
        )
    here, gpus = int(os.environ.get("LOCAL_WORLD_SIZE", "1")), torch.cuda.device_count()
    if gpus and gpus < here:
        raise SettingError(f"tensor_parallel: {here} processes on this machine need a GPU each, and it has {gpus}")


def process_count() -> int:
    """How many processes there are."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def least_free(device: torch.device) -> int:
    """Bytes that are free on the fullest GPU of all processes: batches have to be the same in each of them."""
    free = torch.tensor(torch.cuda.mem_get_info(device)[0], device=device)
    torch.distributed.all_reduce(free, torch.distributed.ReduceOp.MIN)
    return int(free)
