"""Statistics: resampling, paired tests, small samples, and how well scores separate two classes."""
