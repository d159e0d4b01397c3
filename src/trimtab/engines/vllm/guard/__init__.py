"""Checks around a vLLM engine: admission of requests, self-test, process supervision, errors."""
