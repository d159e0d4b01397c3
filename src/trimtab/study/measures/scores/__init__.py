"""The scores of held-out pairs at every layer and strength."""
