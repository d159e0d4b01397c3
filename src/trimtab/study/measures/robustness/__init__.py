"""Whether the effect holds under other ways of asking."""
