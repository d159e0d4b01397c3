"""Dividing texts into batches: token trees, schedules, masks, and memory budgets."""
