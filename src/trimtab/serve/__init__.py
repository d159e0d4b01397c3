"""Serving: a chat whose steering changes as you go, and replies of many callers written side by side."""

from trimtab.serve.chat import Beginning, Chat, Piece, beginning_of, of_run, usual_beginning
from trimtab.serve.jobs import Job, JobUpdate
from trimtab.serve.scheduler import Scheduler, SchedulerCounts

__all__ = [
    "Beginning",
    "Chat",
    "Job",
    "JobUpdate",
    "Piece",
    "Scheduler",
    "SchedulerCounts",
    "beginning_of",
    "of_run",
    "usual_beginning",
]
