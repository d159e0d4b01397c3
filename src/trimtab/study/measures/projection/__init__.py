"""How well each layer of a vector tells held-out examples apart, without steering."""
