"""Charts of single measures."""
