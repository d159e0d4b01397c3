"""Every family that loads gives the same numbers streamed, or is refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from families import page
from families.builders import family_model
from families.special import NOT_BUILT
from tiny import tiny_tokenizer
from trimtab.errors import ModelError
from trimtab.models import load_backbone

IDS = torch.arange(3, 60).reshape(3, 19)
CHANGES_ITS_WEIGHTS = ("rwkv",)


def saved(family: str, folder: Path) -> str:
    family_model(family).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.mark.slow
@pytest.mark.parametrize("family", [name for name in page.NAMES if name not in (*NOT_BUILT, *CHANGES_ITS_WEIGHTS)])
def test_a_family_is_the_same_streamed(family: str, tmp_path: Path) -> None:
    folder = saved(family, tmp_path)
    try:
        whole = load_backbone(folder, dtype="float32", device="cpu")
    except ModelError:
        pytest.skip("it is refused in memory too")
    streamed = load_backbone(folder, dtype="float32", device="cpu", stream=True)
    with torch.no_grad():
        expected, found = (backbone.model(IDS, use_cache=False).logits for backbone in (whole, streamed))
    assert torch.equal(found, expected)
    assert streamed.fingerprint == whole.fingerprint


@pytest.mark.parametrize("family", CHANGES_ITS_WEIGHTS)
def test_a_family_that_changes_its_weights_while_it_runs_is_refused(family: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"changes the weights of layer 0 while it runs.*cannot be streamed"):
        load_backbone(saved(family, tmp_path), dtype="float32", device="cpu", stream=True)
