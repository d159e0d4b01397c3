"""Settings of steering on the command line: strengths that are hardly intended, and where a setting comes from."""
