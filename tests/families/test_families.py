"""Every causal family of the installed transformers gives what a plain loop gives, or is refused in words."""

from __future__ import annotations

import pytest
import transformers

from families import page
from families.builders import family_model
from families.examine import Examined, examine
from families.special import NOT_BUILT

REPRESENTATIVE = (
    "llama",  # packed
    "gpt_neo",  # windows that the model counts itself
    "gemma3_text",  # windows that the mask counts
    "qwen3_5_text",  # a recurrent state
    "recurrent_gemma",  # both, and bounded logits
    "blenderbot",  # positions that the decoder counts itself, and an encoder's settings beside its own
    "bloom",  # biases by head
    "openai-gpt",  # no cache
    "mamba",  # no attention
    "bert",  # an encoder made to decode
    "gemma4_text, shared keys and values",
    "llama, dynamic rope",  # frequencies that follow the longest text
)
OTHERS = tuple(name for name in page.NAMES if name not in REPRESENTATIVE and name not in NOT_BUILT)


def require_no_fault(found: Examined) -> None:
    faults = "\n".join(f"{o.kind} {o.check}: {o.words}" for o in found.faults)
    assert not faults, f"{found.family} ({found.architecture}, {found.mode}):\n{faults}"


def require_the_page_to_say_so(found: Examined) -> None:
    """Where the page is about the transformers that is installed."""
    text = page.PAGE.read_text(encoding="utf-8")
    if page.version_on_page(text) == transformers.__version__:
        assert page.rows_on_page(text)[found.family] == page.row_of(found), f"make the page again: {page.COMMAND}"


@pytest.mark.parametrize("name", REPRESENTATIVE)
def test_a_family_is_exact_or_refused_in_words(name: str) -> None:
    found = examine(name)
    require_no_fault(found)
    require_the_page_to_say_so(found)


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_every_other_family_is_exact_or_refused_in_words(name: str) -> None:
    found = examine(name)
    require_no_fault(found)
    require_the_page_to_say_so(found)


def test_the_page_names_every_family() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    if page.version_on_page(text) != transformers.__version__:
        pytest.skip("the page is about another version of transformers")
    assert set(page.NAMES) <= set(page.rows_on_page(text))


@pytest.mark.slow
@pytest.mark.parametrize("name", NOT_BUILT)
def test_what_is_not_tried_cannot_be_built_here(name: str) -> None:
    """So that a family is tried as soon as it can be."""
    with pytest.raises((ImportError, ValueError, AttributeError, TypeError)):
        family_model(name)
