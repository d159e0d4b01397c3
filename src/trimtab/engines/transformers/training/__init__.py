"""Passes through which vectors can be differentiated: the staircase with gradients."""
