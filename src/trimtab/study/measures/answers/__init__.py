"""Answers to choice questions, read option by option."""
