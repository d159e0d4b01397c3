"""The default engine: transformers on one machine."""
