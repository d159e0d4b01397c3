"""Counts of the server in Prometheus' text form."""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.serve.http.service import Service

_SCHEDULER = {
    "waiting": ("gauge", "requests_waiting", "Requests that wait for a row."),
    "running": ("gauge", "requests_running", "Requests whose replies are being written."),
    "rows": ("gauge", "rows_in_use", "Rows of the batch in use."),
    "tokens": ("counter", "tokens_written_total", "Tokens written."),
    "finished": ("counter", "requests_finished_total", "Requests whose replies were finished."),
    "cancelled": ("counter", "requests_cancelled_total", "Requests whose clients left."),
    "failed": ("counter", "requests_failed_total", "Requests that failed."),
    "refused": ("counter", "requests_refused_total", "Requests that found the queue full."),
}
"""Field of the scheduler's counts → type, name and help."""


def metrics_text(service: Service, answered: Mapping[int, int]) -> str:
    """The counts as text.

    Args:
        service: whose.
        answered: status → responses.
    """
    counts = service.scheduler.counts()
    lines = []
    for field, (kind, name, text) in _SCHEDULER.items():
        lines += _head(name, kind, text)
        lines.append(f"trimtab_{name} {getattr(counts, field)}")
    lines += _head("responses_total", "counter", "Responses by status.")
    lines += [f'trimtab_responses_total{{status="{status}"}} {count}' for status, count in sorted(answered.items())]
    return "\n".join(lines) + "\n"


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP trimtab_{name} {text}", f"# TYPE trimtab_{name} {kind}"]
