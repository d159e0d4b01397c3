"""Keys and values shared between rows: prefixes, caches, slots."""
