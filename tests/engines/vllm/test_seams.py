"""Another vLLM is refused by what it lacks, before anything is replaced in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest

from trimtab.engines.vllm.plugin import seams
from trimtab.engines.vllm.plugin.seams import SEAMS, SUPPORTED, Seam, lacking, require_supported, unsupported
from trimtab.errors import ModelError


class Runner:
    limit: int

    def __init__(self, config: object):
        self.config = config

    def forward(self, tokens: int, *, eager: bool = False) -> None:
        """A pass."""


class Wider(Runner):
    """Has what its parent has."""


@dataclass
class Request:
    name: str

    def __post_init__(self) -> None:
        self.length = len(self.name)


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A package of that name with one module, and the table of it."""
    package, module = ModuleType("vllm"), ModuleType("vllm.runner")
    for one in (Runner, Wider, Request):
        setattr(module, one.__name__, one)
    monkeypatch.setitem(sys.modules, "vllm", package)
    monkeypatch.setitem(sys.modules, "vllm.runner", module)
    table = {"0.31": (Seam("runner", "Runner.forward", ("eager",)),), "0.32": (Seam("runner", "Runner", ("config",)),)}
    monkeypatch.setattr(seams, "SEAMS", table)
    monkeypatch.setattr(seams, "SUPPORTED", tuple(table))
    seams._reason.cache_clear()
    yield package
    seams._reason.cache_clear()


@pytest.mark.parametrize(
    "seam",
    [
        Seam("runner", "Runner"),
        Seam("runner", "Runner", ("config", "limit", "forward")),
        Seam("runner", "Wider", ("config", "limit")),
        Seam("runner", "Wider.forward", ("tokens", "eager")),
        Seam("runner", "Request", ("name", "length")),
    ],
)
@pytest.mark.usefixtures("vllm")
def test_what_is_there_is_found(seam: Seam) -> None:
    assert lacking([seam]) == []


@pytest.mark.parametrize(
    ("seam", "named"),
    [
        (Seam("walker", "Runner"), "vllm.walker cannot be imported"),
        (Seam("runner", "Walker"), "vllm.runner lacks Walker"),
        (Seam("runner", "Runner.walk"), "Runner lacks walk"),
        (Seam("runner", "Runner.forward", ("tokens", "steps")), "Runner.forward lacks steps"),
        (Seam("runner", "Wider", ("config", "steps")), "Wider lacks steps"),
    ],
)
@pytest.mark.usefixtures("vllm")
def test_what_is_missing_is_named(seam: Seam, named: str) -> None:
    (found,) = lacking([seam])
    assert named in found


@pytest.mark.parametrize("version", ["0.31.0", "0.32.0", "0.32.1.dev3+gabc"])
def test_versions_in_the_table_are_taken(vllm: Any, version: str) -> None:
    vllm.__version__ = version
    require_supported()


def test_a_version_in_the_table_that_lacks_something_is_refused_by_name(
    vllm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    vllm.__version__ = "0.31.0"
    monkeypatch.delattr(Runner, "forward")
    with pytest.raises(
        ModelError, match=r"vLLM 0\.31\.0 is not supported: vllm\.runner\.Runner lacks forward; use vLLM 0\.31 to 0\.32"
    ):
        require_supported()


def test_another_version_is_refused_by_what_it_lacks_of_the_newest(vllm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    vllm.__version__ = "0.30.1"
    assert "nobody has verified" in unsupported()
    seams._reason.cache_clear()
    monkeypatch.delattr(sys.modules["vllm.runner"], "Runner")
    assert "0.30.1 is not supported: vllm.runner lacks Runner" in unsupported()


def test_the_table_goes_from_the_oldest_version_to_the_newest() -> None:
    numbers = [tuple(map(int, version.split("."))) for version in SUPPORTED]
    assert numbers == sorted(numbers)
    assert all(SEAMS.values())


@pytest.mark.vllm
def test_the_vllm_that_is_installed_lacks_nothing() -> None:
    pytest.importorskip("vllm", reason="vLLM has an environment of its own: make test-vllm")
    assert unsupported() == ""
