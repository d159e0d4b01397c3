"""Replies to open prompts, judged."""
