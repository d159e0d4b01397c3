"""Formats of published data and of other tools, each read as it is."""
