"""While a stream is under way, the progress of the step that runs says which layer it has come to."""

from __future__ import annotations

import pickle

from streams import streamed
from tiny import random_pairs
from trimtab._util.callbacks import note_of
from trimtab._util.layer_progress import noting_layers, report_layer
from trimtab._util.progress_bars import named_progress_of, progress_of
from trimtab.cli.steps import Steps
from trimtab.engines import TransformersEngine


def test_a_job_notes_its_layers_beside_the_step_and_takes_the_note_away() -> None:
    backbone, _ = streamed("llama")
    engine, pairs = TransformersEngine(backbone), random_pairs(4)
    list(engine.capture(pairs, "answer"))  # whatever has to be tried of the model has been
    steps, lines, notes = Steps(clock=lambda: 0.0), [], []

    def show(what: str, done: int, total: int) -> None:
        lines.append(steps.update(what, done, total).line(0.0))
        notes.append(note_of(done))

    with noting_layers(show) as advance:
        advance("extract", 0, 4)
        list(engine.capture(pairs, "answer"))
        advance("extract", 4, 4)
    layers = backbone.facts.layers
    assert notes == ["", *(f"layer {done} of {layers}" for done in range(1, layers)), "", ""]
    assert f"layer 1 of {layers}" in lines[1]
    assert "layer" not in lines[-1]


def test_callbacks_of_ones_own_are_called_behind_each_layer_with_the_same_count() -> None:
    plain: list[int] = []
    named: list[tuple[str, int]] = []
    with progress_of(lambda done, total: plain.append(done), "extract") as advance:
        assert advance is not None
        advance(1, 4)
        report_layer(1, 3)
        report_layer(3, 3)
    with named_progress_of(lambda what, done, total: named.append((what, done))) as shown:
        shown("sweep", 2, 4)
        report_layer(1, 3)
    assert [(int(done), note_of(done)) for done in plain] == [(1, ""), (1, "layer 1 of 3"), (1, "")]
    assert [(what, int(done), note_of(done)) for what, done in named] == [
        ("sweep", 2, ""),
        ("sweep", 2, "layer 1 of 3"),
    ]
    sent = pickle.loads(pickle.dumps(named[1][1]))  # as workers on Ray send theirs
    assert note_of(sent) == "layer 1 of 3"


def test_a_step_that_is_done_gets_no_note_and_nobody_is_called_afterwards() -> None:
    calls = []
    with noting_layers(lambda *call: calls.append(call)) as advance:
        report_layer(1, 4)
        advance("extract", 4, 4)
        report_layer(1, 4)
    report_layer(1, 4)
    assert calls == [("extract", 4, 4)]


def test_bars_inside_of_others_note_their_own_steps() -> None:
    outer, inner = [], []
    with noting_layers(lambda *call: outer.append(call)) as advance:
        advance("outer", 0, 1)
        with noting_layers(lambda *call: inner.append(call)) as within:
            within("inner", 0, 1)
            report_layer(1, 4)
        report_layer(2, 4)
    assert [(call[0], note_of(call[1])) for call in inner] == [("inner", ""), ("inner", "layer 1 of 4")]
    assert [(call[0], note_of(call[1])) for call in outer] == [("outer", ""), ("outer", "layer 2 of 4")]
