"""Results of other programs, imported into run folders."""
