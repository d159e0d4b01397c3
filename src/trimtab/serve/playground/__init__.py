"""The playground: a page with sliders for vectors, and the endpoints that it calls."""
