"""Replies of requests: how they are sampled, generated, cut and read."""
