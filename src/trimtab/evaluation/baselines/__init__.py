"""Baselines: what else than the vector one could do to get a behavior, measured on the same prompts."""
