"""vLLM as an engine: its plugin, which steers request by request, and the client that drives it.

What runs inside of vLLM's processes is imported by vLLM through the entry point `trimtab.engines.vllm.plugin:register`.
"""

from trimtab.engines.vllm.engine import VLLMEngine
from trimtab.engines.vllm.launch import start

__all__ = ["VLLMEngine", "start"]
