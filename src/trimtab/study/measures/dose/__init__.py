"""How far each cell moves the model on neutral prompts."""
