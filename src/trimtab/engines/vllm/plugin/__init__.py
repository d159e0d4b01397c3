"""The part that runs inside the vLLM processes."""
