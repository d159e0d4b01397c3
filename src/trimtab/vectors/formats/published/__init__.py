"""Formats of other tools, a module each."""
