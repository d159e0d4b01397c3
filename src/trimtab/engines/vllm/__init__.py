"""vLLM as an engine: its plugin, which steers request by request, and the client that drives it.

vLLM imports what runs inside its processes through the entry point
`trimtab.engines.vllm.plugin.register:register`.
"""

from trimtab.engines.vllm.engine import VLLMEngine
from trimtab.engines.vllm.launch import start

__all__ = ["VLLMEngine", "start"]
