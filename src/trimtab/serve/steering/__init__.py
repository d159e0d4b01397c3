"""Steering in requests: named vectors, what a request says of them, and what was pushed."""
