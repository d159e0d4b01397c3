"""GGUF files: their header, and conversion into a transformers folder."""
