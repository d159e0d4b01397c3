"""Counting what a study would do, without loading weights."""
