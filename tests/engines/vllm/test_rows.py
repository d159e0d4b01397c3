"""Rows of the table are held, shared, freed and used again in any order of requests."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from trimtab.engines.vllm.plugin._table_rows import Rows, TableFull

KEYS = st.sampled_from("abcdef")
REQUESTS = st.sampled_from([f"r{number}" for number in range(6)])


class AnyOrder(RuleBasedStateMachine):
    """Beside the rows stand two plain mirrors: what each request holds, and what was last written where."""

    @initialize(capacity=st.integers(1, 4))
    def begin(self, capacity: int) -> None:
        self.rows = Rows(capacity)
        self.holding: dict[str, tuple[str, int]] = {}
        self.written: dict[int, str] = {}

    def held_keys(self, but: str = "") -> dict[str, int]:
        return dict(held for request, held in self.holding.items() if request != but)

    @rule(key=KEYS, request=REQUESTS)
    def take(self, key: str, request: str) -> None:
        others = self.held_keys(but=request)
        full = key not in others and len(others) == self.rows.capacity
        try:
            row, new = self.rows.take(key, request)
        except TableFull:
            assert full
            self.holding.pop(request, None)
            return
        assert not full
        assert 1 <= row <= self.rows.capacity
        assert others.get(key, row) == row
        assert row not in {r for k, r in others.items() if k != key}, "another running request holds that row"
        assert new == (self.written.get(row) != key), "written exactly when something else stands there"
        self.written[row] = key
        self.holding[request] = (key, row)

    @rule(requests=st.lists(REQUESTS, max_size=3))
    def release(self, requests: list[str]) -> None:
        self.rows.release(requests)
        for request in requests:
            self.holding.pop(request, None)

    @rule(running=st.sets(REQUESTS))
    def keep_only(self, running: set[str]) -> None:
        self.rows.keep_only(running)
        self.holding = {request: held for request, held in self.holding.items() if request in running}

    @rule()
    def everyone_asks_again(self) -> None:
        for request, (key, row) in self.holding.items():
            assert self.rows.take(key, request) == (row, False)

    @invariant()
    def no_two_keys_share_a_row(self) -> None:
        if hasattr(self, "rows"):
            held = self.held_keys()
            assert len(set(held.values())) == len(held)
            assert self.rows.held == len(held) <= self.rows.capacity


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)


def test_requests_with_the_same_push_share_a_row_until_the_last_one_ends() -> None:
    rows = Rows(1)
    assert rows.take("push", "a") == (1, True)
    assert rows.take("push", "b") == (1, False)
    rows.release(["a"])
    with pytest.raises(TableFull):
        rows.take("other", "c")
    rows.release(["b"])
    assert rows.take("other", "c") == (1, True)


def test_a_freed_row_is_still_good_until_it_is_needed() -> None:
    rows = Rows(2)
    row, _ = rows.take("push", "a")
    rows.release(["a"])
    assert rows.take("push", "b") == (row, False)


def test_the_row_unused_longest_is_given_away_first() -> None:
    rows = Rows(2)
    old, _ = rows.take("old", "a")
    young, _ = rows.take("young", "b")
    rows.release(["a"])
    rows.release(["b"])
    assert rows.take("new", "c") == (old, True)
    assert rows.take("young", "d") == (young, False)
    with pytest.raises(TableFull, match="all 2 rows"):
        rows.take("old", "e")


def test_a_request_that_changes_its_push_lets_go_of_the_first() -> None:
    rows = Rows(1)
    rows.take("push", "a")
    assert rows.take("other", "a") == (1, True)
    assert rows.held == 1


def test_ending_twice_or_unknown_changes_nothing() -> None:
    rows = Rows(2)
    rows.take("push", "a")
    rows.release(["a", "a", "nobody"])
    rows.release(["a"])
    assert rows.held == 0
