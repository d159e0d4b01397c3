"""Small trial passes that show which batching is exact for a model."""
