"""Streamed weights: all passes of a job walk up the layers together, so each layer is read once for all of them."""
