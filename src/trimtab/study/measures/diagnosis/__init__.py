"""Whether pairs and vectors are good."""
