"""Jobs that wait for a row: in turns between clients, each client's in the order in which they came."""

from __future__ import annotations

from collections import OrderedDict, deque

from trimtab.serve.jobs import Job


class WaitingJobs:
    """A queue for each client; the clients take turns."""

    def __init__(self) -> None:
        self._queues: OrderedDict[str, deque[Job]] = OrderedDict()
        """By client; the first one's turn is next."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def of(self, client: str) -> int:
        """How many jobs of a client wait."""
        return len(self._queues.get(client, ()))

    def add(self, job: Job) -> None:
        """Put a job behind the others of its client."""
        self._queues.setdefault(job.client, deque()).append(job)
        self._count += 1

    def first(self) -> Job | None:
        """The job whose turn is next."""
        return next((queue[0] for queue in self._queues.values()), None)

    def take(self) -> Job:
        """Remove the job whose turn is next; its client goes behind the others."""
        client, queue = next(iter(self._queues.items()))
        job = queue.popleft()
        self._count -= 1
        if queue:
            self._queues.move_to_end(client)
        else:
            del self._queues[client]
        return job

    def remove(self, job: Job) -> bool:
        """Remove a job from wherever it stands; False where it does not wait."""
        queue = self._queues.get(job.client, deque())
        if job not in queue:
            return False
        queue.remove(job)
        self._count -= 1
        if not queue:
            del self._queues[job.client]
        return True

    def all(self) -> list[Job]:
        """Every job that waits."""
        return [job for queue in self._queues.values() for job in queue]
