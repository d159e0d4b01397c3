"""From what is asked to what a model reads: the way of asking, the rendered text, its tokens."""
