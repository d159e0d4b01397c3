"""What else a vector moves."""
