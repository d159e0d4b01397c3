"""Settings of steering on the command line: strengths that are hardly meant, and where a setting comes from."""
