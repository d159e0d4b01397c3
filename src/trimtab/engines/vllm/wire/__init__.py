"""What client and vLLM workers exchange: request specs, calls, cache keys."""
