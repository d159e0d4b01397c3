"""Checks of generated pairs: each pair alone, and all of them together."""
