"""Commands of `trimtab vectors` that have options of their own."""
