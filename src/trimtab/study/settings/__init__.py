"""The study file: settings, validated key by key."""
