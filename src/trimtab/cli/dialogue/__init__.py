"""A chat on a terminal: words that are wrapped whole, and two replies beside each other."""
