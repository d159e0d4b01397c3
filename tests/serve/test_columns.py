"""Several settings in one stream: each column is what a chat of its own would be."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from served import Served, chat_model, running, service_for

MESSAGES = [{"role": "user", "content": "Hello"}]
SHARED = {"seed": 5, "temperature": 0.9, "max_tokens": 12}
PATH = "/v1/steering/replies"
STEERINGS: list[Any] = [None, "cheerful", "cheerful@-0.4", {"vector": "raw", "layers": [2], "strength": 0.5}, "formal"]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with running(service_for(chat_model())) as found:
        yield found


def stream(served: Served, **body: Any) -> list[Any]:
    with served.client() as http, http.stream("POST", PATH, json=body) as response:
        assert response.status_code == 200, response.read()
        lines = [line.removeprefix("data: ") for line in response.iter_lines() if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def finished(events: list[Any]) -> dict[int, Any]:
    return {event["column"]: event for event in events if "text" in event}


def test_every_column_is_the_chat_of_its_setting_and_seed(served: Served) -> None:
    columns = [{"messages": MESSAGES, "steering": steering} for steering in STEERINGS]
    events = stream(served, columns=columns, **SHARED)
    found = finished(events)
    assert len(found) == len(STEERINGS)
    with served.client() as http:
        for number, column in enumerate(columns):
            alone = http.post("/v1/chat/completions", json={**column, **SHARED}).json()
            assert found[number]["text"] == alone["choices"][0]["message"]["content"]
            assert found[number]["tokens"] == alone["usage"]["completion_tokens"]
            assert found[number]["steering_applied"] == alone["steering_applied"]
    assert len({one["text"] for one in found.values()}) > 2


def test_the_pieces_of_a_column_are_its_text(served: Served) -> None:
    events = stream(served, columns=[{"messages": MESSAGES}], **SHARED)
    pieces = "".join(event.get("delta", "") for event in events)
    assert pieces == finished(events)[0]["text"] != ""


def test_columns_are_written_side_by_side(served: Served) -> None:
    columns = [{"messages": MESSAGES, "steering": steering} for steering in STEERINGS]
    events = stream(served, columns=columns, **SHARED)
    first_end = next(place for place, event in enumerate(events) if "text" in event)
    assert len({event["column"] for event in events[:first_end]}) > 2


def test_a_column_that_is_refused_does_not_stop_the_others(served: Served) -> None:
    columns: list[Any] = [
        {"messages": MESSAGES, "steering": "nobody"},
        {"messages": MESSAGES},
        {"messages": []},
        {"messages": MESSAGES, "steering": {"vector": "raw", "layers": [99], "strength": 1}},
        {"messages": MESSAGES, "surprise": 1},
    ]
    events = stream(served, columns=columns, **SHARED)
    errors = {event["column"]: event["error"] for event in events if "error" in event}
    assert set(errors) == {0, 2, 3, 4}
    assert errors[0]["param"] == "steering"
    assert "99" in errors[3]["message"]
    assert set(finished(events)) == {1}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"columns": []},
        {"columns": "two"},
        {"columns": [{"messages": MESSAGES}] * 17},
        {"columns": [{"messages": MESSAGES}], "messages": MESSAGES},
        {"columns": [{"messages": MESSAGES}], "steering": "cheerful"},
        {"columns": [{"messages": MESSAGES}], "n": 2},
    ],
)
def test_bodies_without_columns_or_with_two_ways_are_refused(served: Served, body: dict[str, Any]) -> None:
    with served.client() as http:
        assert http.post(PATH, json=body).status_code == 400


def test_a_client_that_leaves_frees_every_column(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = served.service.scheduler._writer
    step = writer.step

    def slowly() -> Any:
        time.sleep(0.02)
        return step()

    monkeypatch.setattr(writer, "step", slowly)
    columns = [{"messages": MESSAGES, "steering": steering} for steering in STEERINGS]
    before = served.service.scheduler.counts().cancelled
    with served.client() as http, http.stream("POST", PATH, json={"columns": columns, "max_tokens": 64}) as response:
        next(response.iter_lines())
    deadline = time.monotonic() + 20
    while served.service.scheduler.counts().rows and time.monotonic() < deadline:
        time.sleep(0.02)
    counts = served.service.scheduler.counts()
    assert counts.rows == counts.waiting == 0
    assert counts.cancelled > before
