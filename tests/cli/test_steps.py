"""What progress is made of: steps in words, how much is done, and how long the rest takes."""

from __future__ import annotations

import pickle

import pytest

from trimtab._util.callbacks import Noted, StepName, note_of
from trimtab._util.durations import duration, duration_range
from trimtab.cli.steps import Steps
from trimtab.study.step_names import TimedStep, dosing, loading, replying, sweeping

SWEEP, REPLIES, HELD_OUT = sweeping("b", "m"), replying("b", "m"), replying("b", "m", "held out")


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_finished_step_is_a_line_with_its_count_and_time(clock: Clock) -> None:
    steps = Steps(clock=clock)
    steps.update(SWEEP, 0, 192)
    clock.now = 41.2
    record = steps.update(SWEEP, 192, 192)
    assert record.line(clock.now, models=1) == "sweep b: 192 of 192 scores, 41 s"
    assert record.line(clock.now, models=2) == "sweep b in m: 192 of 192 scores, 41 s"
    assert not steps.running


def test_what_counts_nothing_has_a_time_alone_and_what_was_done_before_says_so(clock: Clock) -> None:
    steps = Steps(clock=clock)
    assert steps.update(loading("m"), 0, 1).line(3.0) == "load m: 3 s"
    assert steps.update(SWEEP, 8, 8).line(9.0) == "sweep b in m: 8 of 8 scores, already there"
    assert steps.update("m is left out", 1, 1).line(9.0) == "m is left out"


def test_time_left_is_what_was_expected_until_measured_time_corrects_it(clock: Clock) -> None:
    expected: dict[str, TimedStep] = {loading("m"): TimedStep(10), SWEEP: TimedStep(90)}
    steps = Steps(expected, clock=clock)
    assert steps.share == 0
    assert steps.seconds_left == pytest.approx(100)
    steps.update(loading("m"), 0, 1)
    clock.now = 20.0  # twice as long as expected
    steps.update(loading("m"), 1, 1)
    steps.update(SWEEP, 0, 9)
    assert steps.share == pytest.approx(0.1)
    assert 90 < steps.seconds_left < 180
    clock.now = 110.0
    steps.update(SWEEP, 4, 9)
    assert steps.share == pytest.approx(0.5)
    assert 90 < steps.seconds_left < 115  # 50 expected seconds are left, at nearly twice the time


def test_a_step_that_counts_nothing_goes_on_with_its_time(clock: Clock) -> None:
    steps = Steps({loading("m"): TimedStep(100)}, clock=clock)
    steps.update(loading("m"), 0, 1)
    clock.now = 50.0
    assert steps.share == pytest.approx(0.5)
    assert steps.seconds_left == pytest.approx(50)
    clock.now = 1000.0
    assert steps.share == pytest.approx(0.9)


def test_a_step_that_is_passed_over_takes_no_time(clock: Clock) -> None:
    expected: dict[str, TimedStep] = {
        loading("m"): TimedStep(10), SWEEP: TimedStep(60), REPLIES: TimedStep(30, 10)
    }  # fmt: skip
    steps = Steps(expected, clock=clock)
    steps.update(loading("m"), 1, 1)
    steps.update(REPLIES, 5, 8)
    assert steps.share == pytest.approx((10 + 15) / 40)
    unordered = Steps(expected, ordered=False, clock=clock)
    unordered.update(REPLIES, 5, 8)
    assert unordered.share == pytest.approx(15 / 100)


def test_parts_of_a_step_make_up_the_whole(clock: Clock) -> None:
    steps = Steps({REPLIES: TimedStep(100, 10)}, clock=clock)
    steps.update(REPLIES, 8, 8)
    assert steps.share == pytest.approx(0.8)
    steps.update(HELD_OUT, 2, 2)
    assert steps.share == pytest.approx(1.0)
    assert dosing("b", "m", "for replies").key == dosing("b", "m")


def test_the_name_of_a_step_is_a_string_that_survives_pickling() -> None:
    again = pickle.loads(pickle.dumps(HELD_OUT))
    assert again == HELD_OUT == "replies about b, held out in m"
    assert (again.short, again.unit, again.key) == (HELD_OUT.short, "replies", REPLIES)
    assert isinstance(again, StepName)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (90_000, "1 d 1 h")],
)
def test_measured_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (2, 7, "up to 10 s"), (43, 58, "40 to 60 s"), (115, 175, "1 to 3 min"), (245, 350, "4 to 6 min"),
        (1300, 2300, "20 to 40 min"), (5000, 9000, "1 to 2.5 h"), (90_000, 130_000, "1 to 2 d"),
    ],
)  # fmt: skip
def test_estimated_durations_are_ranges_rounded_outward(low: float, high: float, words: str) -> None:
    assert duration_range(low, high) == words


def test_a_note_stands_beside_the_count_and_the_last_one_stays():
    steps = Steps(clock=lambda: 0.0)
    sent = pickle.loads(pickle.dumps(Noted(3, "loss 1.5")))
    assert (sent, note_of(sent), note_of(3)) == (3, "loss 1.5", "")
    name = StepName("train ssv of cheerful", "steps", model="m")
    assert "3 of 8 steps, loss 1.5, " in steps.update(name, Noted(3, "loss 1.5"), 8).line(0.0, models=1)
    assert "8 of 8 steps, loss 1.5, " in steps.update(name, 8, 8).line(0.0, models=1)
