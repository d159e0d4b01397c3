"""Studies of models that are divided over several processes."""
