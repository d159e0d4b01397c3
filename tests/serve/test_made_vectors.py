"""Vectors made over HTTP from pairs, and settings as GGUF files: as the library and the exporter make them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from served import STRENGTH, Served, chat_model, running, service_for
from trimtab.data import Behavior, Pair
from trimtab.vectors import SteeringVector, extract
from trimtab.vectors.exports.exported_vectors import export_vector

PAIRS: list[dict[str, Any]] = [
    {"prompt": f"Question {number}", "positive": f"Yes, gladly {number}!", "negative": f"No, never {number}."}
    for number in range(4)
]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with running(service_for(chat_model(), make_vectors=True)) as found:
        yield found


def post(served: Served, path: str, status: int = 200, **body: Any) -> Any:
    with served.client() as http:
        response = http.post(path, json=body)
    assert response.status_code == status, response.text
    return response.json()


def make(served: Served, status: int = 200, **body: Any) -> Any:
    return post(served, "/v1/steering/vectors", status, **{"name": "glad", "pairs": PAIRS, **body})


def test_a_vector_from_pairs_is_what_extract_makes_and_is_marked_as_unchecked(served: Served) -> None:
    made = make(served)
    pairs = tuple(Pair(str(place), *pair.values()) for place, pair in enumerate(PAIRS))
    expected = extract(served.model, Behavior("glad", pairs), progress=False)
    torch.testing.assert_close(served.service.library.get("glad").vector.direction, expected.direction)
    assert "unchecked" in made["warnings"][0]
    assert made["measured"] is None
    messages = [{"role": "user", "content": "Hi"}]
    steering = {"vector": "glad", "layers": [1], "strength": 0.5}
    answer = post(served, "/v1/chat/completions", messages=messages, steering=steering, max_tokens=4)
    assert answer["steering_applied"]["tokens_at_positions"] > 0


def test_a_name_that_is_taken_is_refused(served: Served) -> None:
    before = make(served, name="again")["hash"]
    for name in ("again", "cheerful"):
        assert make(served, 400, name=name, pairs=PAIRS[:2])["error"]["param"] == "name"
    assert served.service.library.get("again").hash == before


def test_a_server_keeps_some_and_no_more(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trimtab.serve.playground._vector_routes.MAX_MADE", 0)
    assert "the most" in make(served, 400, name="one-more")["error"]["message"]


def test_a_server_makes_vectors_only_where_it_was_allowed_to(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served.service, "make_vectors", False)
    assert "--make-vectors" in make(served, 403)["error"]["message"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"name": ""}, "name"),
        ({"name": "../up"}, "name"),
        ({"name": "0.3"}, "name"),
        ({"name": "recommended"}, "name"),
        ({"pairs": PAIRS[:1]}, "pairs"),
        ({"pairs": PAIRS * 9}, "pairs"),
        ({"pairs": [*PAIRS, {"prompt": "a", "positive": "b"}]}, "pairs[4].negative"),
        ({"pairs": [*PAIRS, {"prompt": "a", "positive": "b", "negative": "b"}]}, "pairs[4].negative"),
        ({"pairs": [*PAIRS, {"prompt": "a" * 2001, "positive": "b", "negative": "c"}]}, "pairs[4].prompt"),
        ({"pairs": [*PAIRS, {"prompt": "a", "positive": "b", "negative": "c", "weight": 2}]}, "pairs[4].weight"),
        ({"method": "pca"}, "method"),
    ],
)
def test_what_is_no_pair_or_no_name_is_refused_by_its_field(served: Served, body: Any, param: str) -> None:
    assert make(served, 400, **body)["error"]["param"] == param


def test_a_setting_is_the_file_that_the_export_writes(served: Served, tmp_path: Path) -> None:
    steering = {"vector": "cheerful", "layers": [1], "strength": STRENGTH}
    found = post(served, "/v1/steering/gguf", steering=steering)
    vector = served.service.library.get("cheerful").vector
    expected = export_vector(vector, tmp_path / "cheerful.gguf", layer=[1], strength=STRENGTH, scale="relative")
    file = tmp_path / found["name"]
    file.write_bytes(base64.b64decode(found["content"]))
    torch.testing.assert_close(SteeringVector.read(file).direction, SteeringVector.read(expected.path).direction)
    assert found["losses"] == list(expected.losses) != []


@pytest.mark.parametrize("steering", [None, "cheerful - formal", {"vector": "raw", "layers": [0], "strength": 1}])
def test_settings_that_no_file_holds_are_refused_without_a_path(served: Served, steering: Any) -> None:
    error = post(served, "/v1/steering/gguf", 400, steering=steering)["error"]
    assert error["param"] == "steering"
    assert "/" not in error["message"]
