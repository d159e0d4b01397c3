"""What else than the vector one could do to get a behavior."""
