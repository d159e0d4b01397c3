"""The contract of an engine, on a tiny model with each engine that runs here; and an engine from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from running import saved

from sweeps import TOLERANCE, make_cells
from tiny import random_pairs, tiny, vector_for
from trimtab.cli.main import cli
from trimtab.data import Pair
from trimtab.engines import ENGINES, Engine, EngineType, Model, Request, TransformersEngine, load
from trimtab.engines.registry import LoadOptions
from trimtab.errors import ModelError, SettingError
from trimtab.models import Backbone, Identity, Text
from trimtab.steering import Intervention, steering
from trimtab.study import make_study
from trimtab.vectors import SteeringVector

REQUESTS = [Request((5, 6, 7), None, 4), Request((8, 9), None, 4)]


def is_installed(name: str) -> bool:
    try:
        ENGINES.get(name).require_installed()
    except ModelError:
        return False
    return True


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved("llama", tmp_path_factory.mktemp("model"))


@pytest.fixture(
    scope="module",
    params=[pytest.param(n, marks=[pytest.mark.vllm] if n == "vllm" else []) for n in ENGINES.names()],
)
def model(request: pytest.FixtureRequest, folder: Path) -> Iterator[Model]:
    if not is_installed(request.param):
        pytest.skip(f"{request.param} is not installed")
    found = load(str(folder), engine=request.param, dtype="float32")
    yield found
    found.close()


@pytest.fixture(scope="module")
def plain(folder: Path) -> Model:
    return load(str(folder), dtype="float32")


def vector(model: Model) -> SteeringVector:
    return vector_for(model.backbone)  # it asks for the shape only


@pytest.mark.parametrize("name", ENGINES.names())
def test_an_engine_is_registered_under_its_own_name(name: str) -> None:
    assert ENGINES.get(name).name == name


@pytest.mark.parametrize("name", ENGINES.names())
def test_an_engine_that_is_not_installed_is_refused_in_words(name: str) -> None:
    if not is_installed(name):
        with pytest.raises(ModelError, match="pip install"):
            load("any", engine=name)


@pytest.mark.parametrize("name", ENGINES.names())
def test_an_option_that_no_engine_has_is_refused(name: str) -> None:
    if name == "vllm" and not is_installed(name):
        pytest.skip("only vLLM knows its options")
    with pytest.raises(SettingError, match="no_such_option"):
        ENGINES.get(name).check_options({"no_such_option": 1})


def test_split_options_are_placement_options() -> None:
    for name in ENGINES.names():
        kind = ENGINES.get(name)
        assert set(kind.split_options) <= set(kind.placement_options)


def test_scores_are_those_of_the_default_engine(model: Model, plain: Model) -> None:
    backbone = plain.backbone
    assert isinstance(backbone, Backbone)
    pairs, cells = random_pairs(4), make_cells(backbone)
    table = torch.full((1 + len(cells), len(pairs)), torch.nan)
    other = table.clone()
    for found, runner in ((table, model), (other, plain)):
        for scored in runner.score(pairs, cells, "text"):
            assert bool(found[:, scored.indices].isnan().all())
            found[:, scored.indices] = scored.scores
    torch.testing.assert_close(table, other, atol=TOLERANCE, rtol=0)


def test_states_are_captured_behind_every_layer_for_every_pair_once(model: Model) -> None:
    pairs = random_pairs(4)
    seen: list[int] = []
    for captured in model.capture(pairs, "mean_completion"):
        shape = (len(captured.indices), model.facts.layers, model.facts.width)
        assert captured.positive.shape == captured.negative.shape == shape
        assert captured.positive.dtype == torch.float32
        seen += captured.indices
    assert sorted(seen) == list(range(len(pairs)))


def test_an_unsteered_text_diverges_by_nothing_and_a_steered_one_by_something(model: Model) -> None:
    texts = [Text((5, 6, 7, 8, 9), 2), Text((5, 6, 9), 2)]
    cell = steering(vector(model), 1, 0.5, scale="relative")
    for found in model.score_texts(texts, [cell]):
        assert found.log_prob.shape == (2, len(found.indices))
        assert bool((found.log_prob <= 0).all())
        assert bool((found.divergence > 0).all())


def test_every_request_is_answered_once_whatever_the_others_are(model: Model) -> None:
    together = dict(model.replies(REQUESTS))
    assert sorted(together) == [0, 1]
    for index, request in enumerate(REQUESTS):
        assert dict(model.replies([request]))[0].tokens == together[index].tokens


def test_a_steer_context_steers_and_ends(model: Model) -> None:
    before = dict(model.replies(REQUESTS))
    with model.steer(vector(model), layer=[1, 2], strength=3.0, scale="relative"):
        steered = dict(model.replies(REQUESTS))
    assert any(steered[i].tokens != before[i].tokens for i in before)
    assert all(reply.tokens == before[i].tokens for i, reply in model.replies(REQUESTS))


def test_a_layer_out_of_range_is_refused(model: Model) -> None:
    far = Intervention({8: torch.ones(model.facts.width)}, 1.0)
    with pytest.raises(SettingError, match="layer 8 is out of range"):
        list(model.score(random_pairs(1), [far], "text"))
    with pytest.raises(SettingError, match="layer 8 is out of range"):
        list(model.replies([Request((5, 6), far, 1)]))


class Toy(EngineType):
    """The default engine under another name: an engine from another package."""

    name = "toy"
    by_requests = True
    placement_options = ("pieces",)
    split_options = ("pieces",)

    def check_options(self, engine_options: Mapping[str, Any]) -> None:
        if unknown := sorted(set(engine_options) - {"pieces"}):
            raise SettingError(f"toy has no option {unknown[0]}")

    def start(self, name: str, options: LoadOptions) -> tuple[Identity, Engine]:
        self.check_options(options.engine_options)
        backbone = tiny("llama")
        return backbone, TransformersEngine(backbone)


@pytest.fixture
def toy() -> Iterator[None]:
    with ENGINES.temporarily("toy", Toy(), "A toy."):
        yield


@pytest.mark.usefixtures("toy")
def test_an_engine_from_elsewhere_loads_models_and_is_in_help() -> None:
    model = load("any", engine="toy", engine_options={"pieces": 2})
    pair = Pair(id="one", prompt="Hi", positive="yes", negative="no")
    assert len(model.encode([pair], "text")) == 1
    assert isinstance(model.engine, TransformersEngine)
    assert "toy" in CliRunner().invoke(cli, ["extract", "--help"]).output


@pytest.mark.usefixtures("toy")
def test_a_study_asks_an_engine_from_elsewhere_about_itself() -> None:
    models = ["m", {"id": "m", "engine": "toy", "engine_options": {"pieces": 2}}]
    plain, other = make_study({"behaviors": ["cheerful"], "models": models}).models
    assert (plain.by_requests, plain.divided, plain.label) == (False, 1, "m")
    assert (other.by_requests, other.divided, other.label, other.shaping) == (True, 2, "m (toy)", {})
    wrong = {"id": "m", "engine": "toy", "engine_options": {"parts": 2}}
    with pytest.raises(SettingError, match="toy has no option parts"):
        make_study({"behaviors": ["cheerful"], "models": [wrong]}).models[0].require_engine(here=True)


def test_an_unknown_engine_is_refused_with_those_there_are() -> None:
    with pytest.raises(SettingError, match=r"vlm.*transformers, vllm"):
        load("any", engine="vlm")
