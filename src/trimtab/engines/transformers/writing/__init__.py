"""Generating text row by row."""
