"""Serving: a chat whose steering changes as you go, and replies of many callers written side by side."""

from trimtab.serve.chat import Chat
from trimtab.serve.jobs import Job, JobUpdate
from trimtab.serve.scheduler import Scheduler, SchedulerCounts

__all__ = ["Chat", "Job", "JobUpdate", "Scheduler", "SchedulerCounts"]
