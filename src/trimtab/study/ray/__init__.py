"""Models of a study side by side on Ray."""
