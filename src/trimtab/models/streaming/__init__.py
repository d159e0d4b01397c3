"""Models whose decoder layers are read from the checkpoint when they are needed, and not held in memory."""
