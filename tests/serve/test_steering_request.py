"""What a request says under `steering`: every shape of it, what it leaves out, and what is refused in words."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from served import STRENGTH, chat_model, library_for
from tiny import random_directions, vector_for
from trimtab.engines.vllm.plugin.vector_table import Vectors, content_name, packed
from trimtab.engines.vllm.wire.spec import Push, Spec
from trimtab.errors import SettingError
from trimtab.serve.steering._summed_pushes import summed
from trimtab.serve.steering.served_models import ServedModels, UnknownModel, served_name
from trimtab.serve.steering.steering_request import RequestedSteering, parse_steering, parse_xargs
from trimtab.serve.steering.vector_library import NamedVector, VectorLibrary
from trimtab.serve.steering.weights_text import Weight, parse_weights
from trimtab.steering import Cell, Intervention, SteeringSetting
from trimtab.steering.pushes import push_each
from trimtab.vectors import SteeringVector

MODEL = chat_model()
LIBRARY = library_for(MODEL)


def parsed(given: Any) -> RequestedSteering:
    found = parse_steering(given, LIBRARY)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("cheerful", [Weight("cheerful", None)]),
        ("0.3 cheerful - 0.1 formal", [Weight("cheerful", 0.3), Weight("formal", -0.1)]),
        ("-.5*cheerful", [Weight("cheerful", -0.5)]),
        ("- cheerful + formal@1e-2", [Weight("cheerful", None, True), Weight("formal", 0.01)]),
        ("cheerful@-0.3 - formal@recommended", [Weight("cheerful", -0.3), Weight("formal", None, True)]),
        ("2 a-b.c_d", [Weight("a-b.c_d", 2.0)]),
    ],
)
def test_a_text_is_signed_weights_of_names(text: str, weights: list[Weight]) -> None:
    assert parse_weights(text) == weights


@pytest.mark.parametrize(
    "text",
    ["", "  ", "0.3", "0.3 cheerful 0.1 formal", "cheerful formal", "cheerful@", "cheerful@much",
     "0.3 cheerful@0.3", "cheerful + cheerful", "../cheerful", "cheerful;formal", "+ + cheerful", "9e999 cheerful",
     "x" * 5000, "0.3 cheerful - 0.1", "1 2"],
)  # fmt: skip
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(SettingError):
        parse_weights(text)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parse_weights(text)
    except SettingError:
        return
    assert found


SAME = (
    "cheerful",
    "cheerful@recommended",
    f"{STRENGTH} cheerful",
    f"cheerful@{STRENGTH}",
    {"vector": "cheerful"},
    {"name": "cheerful"},
    {"vector": "cheerful", "strength": STRENGTH},
    {"vector": "cheerful", "scale": STRENGTH},
    {"vector": "cheerful", "scale": STRENGTH, "strength": STRENGTH},
    {"vector": "cheerful", "layers": [1], "strength": STRENGTH},
    {"vector": "cheerful", "layers": 1, "strength": STRENGTH, "scale": "relative", "positions": "all"},
    {"pushes": [{"vector": "cheerful"}]},
    {"vectors": ["cheerful"], "first_token": False},
    ["cheerful"],
    [{"name": "cheerful", "scale": STRENGTH}],
    {"vector": "cheerful", "layers": None, "vector_layer": None, "pushes": None},
)


@pytest.mark.parametrize("given", SAME, ids=json.dumps)
def test_all_shapes_of_one_push_are_the_same_push(given: Any) -> None:
    assert parsed(given).hash == parsed(SAME[0]).hash
    intervention = parsed(given).intervention
    wanted = SteeringSetting().intervention(LIBRARY.get("cheerful").vector, Cell((1,), STRENGTH))
    assert repr(intervention) == repr(wanted)
    assert torch.equal(intervention.directions[1], wanted.directions[1])


def test_equal_steering_is_one_intervention_so_that_requests_share_rows_and_prefixes() -> None:
    assert len({id(parsed(given).intervention) for given in SAME}) == 1
    assert parsed("0.31 cheerful").intervention is not parsed("cheerful").intervention
    first = parsed("0.32 cheerful").intervention
    for strength in range(1, 300):
        parsed(f"{strength / 1000} formal")
    assert parsed("0.32 cheerful").intervention is not first, "the number of those that are held is bounded"


def test_vllms_clients_send_the_same_as_text() -> None:
    text = json.dumps({"pushes": [{"vector": "cheerful", "layers": [1], "strength": STRENGTH, "scale": "relative"}]})
    found = parse_xargs({"trimtab": text}, LIBRARY)
    assert found is not None
    assert found.hash == parsed("cheerful").hash
    for bad in ({"trimtab": "{"}, {"other": "{}"}, "text", {"trimtab": "x" * 300_000}):
        with pytest.raises(SettingError, match="vllm_xargs"):
            parse_xargs(bad, LIBRARY)


def test_a_weight_is_the_strength_at_the_recommended_layers_and_is_shared_where_that_is() -> None:
    (push,) = parsed("1 formal").pushes
    assert (push.layers, push.strength) == ((1, 2), 0.5)
    (push,) = parsed({"vector": "formal", "layers": [1, 2], "strength": 1}).pushes
    assert push.strength == 1, "layers that the request gives are each pushed by all of it, as on vLLM"


def test_several_vectors_are_pushed_one_behind_the_other() -> None:
    found = parsed("cheerful - 0.4 formal")
    assert found.layers == (1, 2)
    assert len(found.intervention.parts()) == 2
    assert [push.strength for push in found.pushes] == [STRENGTH, -0.2]


REFUSED = {
    "a vector twice": ["cheerful", {"vector": "cheerful", "strength": -0.2}],
    "pushes that cancel each other": "0.6 cheerful + 1.2 formal",
    "a number": 3,
    "an empty list": [],
    "an empty object": {},
    "no vector": {"strength": 0.3},
    "an unknown vector": {"vector": "cheerfull"},
    "a path": {"vector": "../vectors/cheerful"},
    "a number as name": {"vector": 3},
    "an unknown key": {"vector": "cheerful", "alpha": 0.3},
    "two lists": {"pushes": ["cheerful"], "vectors": ["formal"]},
    "a push beside a list": {"pushes": ["cheerful"], "strength": 0.3},
    "positions of one push": {"pushes": [{"vector": "cheerful", "positions": "all"}]},
    "two strengths": {"vector": "cheerful", "scale": 0.3, "strength": 0.2},
    "two names": {"vector": "cheerful", "name": "formal"},
    "another scale without layers": {"vector": "cheerful", "scale": "raw"},
    "layers without strength": {"vector": "cheerful", "layers": [1]},
    "a vector without a setting": "raw",
    "the same in an object": {"vector": "raw", "strength": 0.3},
    "strength 0": {"vector": "cheerful", "strength": 0},
    "a layer that is not there": {"vector": "cheerful", "layers": [4], "strength": 1},
    "a layer twice": {"vector": "cheerful", "layers": [1, 1], "strength": 1},
    "true as strength": {"vector": "cheerful", "layers": [1], "strength": True},
    "infinity": {"vector": "cheerful", "layers": [1], "strength": float("inf")},
    "a huge number": {"vector": "cheerful", "layers": [1], "strength": 10**400},
    "a scale for sweeps": {"vector": "cheerful", "layers": [1], "strength": 1, "scale": "kl"},
    "unknown positions": {"vector": "cheerful", "positions": "everywhere"},
    "token 0 without the first token": {"vector": "cheerful", "positions": "tokens:0"},
    "a word for true": {"vector": "cheerful", "first_token": "yes"},
    "too many pushes": ["cheerful"] * 65,
    "a statistic that the vector lacks": {"vector": "cheerful", "layers": [1], "strength": 1, "scale": "affine"},
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_steering_is_refused_in_words(name: str) -> None:
    with pytest.raises(SettingError, match=r"^steering") as refused:
        parse_steering(REFUSED[name], LIBRARY)
    assert len(str(refused.value)) < 500


def random_vector(seed: int) -> SteeringVector:
    return replace(vector_for(MODEL.backbone), direction=random_directions(MODEL.backbone, seed))


@pytest.mark.parametrize("scale", ["raw", "relative"])
def test_pushes_of_one_layer_are_added_up_whatever_their_order(scale: str) -> None:
    vectors = [NamedVector(name, random_vector(seed)) for seed, name in enumerate("vw")]
    library, state = VectorLibrary(vectors), torch.randn(3, MODEL.facts.width)

    def pushed(*given: dict[str, Any]) -> torch.Tensor:
        found = parse_steering([{"layers": [1], "scale": scale, **push} for push in given], library)
        assert found is not None
        return push_each(state, found.intervention.aims(1), torch.ones(3, dtype=torch.bool))

    v, w = (one.vector.direction[1] for one in vectors)
    wanted = state + 0.7 * v - 0.4 * w
    if scale == "relative":
        wanted = state + state.norm(dim=-1, keepdim=True) * (0.7 * v / v.norm() - 0.4 * w / w.norm())
    first, second = {"vector": "v", "strength": 0.7}, {"vector": "w", "strength": -0.4}
    assert torch.allclose(pushed(first, second), wanted, atol=1e-5)
    assert torch.allclose(pushed(second, first), wanted, atol=1e-5)


def test_a_projection_is_set_on_what_the_pushes_before_it_have_made() -> None:
    given = [
        {"vector": "cheerful", "layers": [1], "strength": 0.5},
        {"vector": "raw", "layers": [1], "strength": 0.3, "scale": "clamp"},
        {"vector": "raw", "layers": [1], "strength": 0.2},
    ]
    assert [aim.scale.name for aim in parsed(given).intervention.aims(1)] == ["relative", "clamp", "relative"]


def test_pushes_that_share_some_layers_stay_whole_at_the_others() -> None:
    found = parsed([{"vector": "raw", "layers": [0, 1], "strength": 0.5}, {"vector": "cheerful", "strength": 0.25}])
    assert {layer: len(found.intervention.aims(layer)) for layer in found.layers} == {0: 1, 1: 1}
    assert found.intervention.aims(0)[0].strength == 0.5
    assert found.intervention.aims(1)[0].strength == pytest.approx(0.75), "both vectors have one direction"
    assert len(found.pushes) == 2


def test_a_scale_is_refused_in_the_words_of_this_server() -> None:
    with pytest.raises(SettingError, match=r"requests push by .*raw.*, not by 'kl'"):
        parse_steering({"vector": "cheerful", "layers": [1], "strength": 1, "scale": "kl"}, LIBRARY)


def test_the_hash_is_of_statistics_too() -> None:
    vector = LIBRARY.get("raw").vector
    means = [replace(vector, statistics={"negative_mean": vector.direction * factor}) for factor in (0, 3)]
    hashes = {NamedVector("x", one).hash for one in [vector, *means, replace(means[0])]}
    assert len(hashes) == 3


@pytest.mark.parametrize("given", [{}, {"trimtab": None}, {"trimtab": "null"}])
def test_xargs_without_steering_are_refused(given: Any) -> None:
    with pytest.raises(SettingError, match="leave vllm_xargs out"):
        parse_xargs(given, LIBRARY)


def test_refusals_say_what_to_write() -> None:
    with pytest.raises(SettingError, match="did you mean 'cheerful'"):
        parse_steering("cheerfull", LIBRARY)
    written = r'\{"vector": "raw", "layers": \[2\], "strength": 0.1\}; it has directions at layers 0 to 3'
    with pytest.raises(SettingError, match=written):
        parse_steering("raw", LIBRARY)


def test_positions_are_those_of_the_settings_and_must_agree() -> None:
    def named(name: str, positions: str) -> NamedVector:
        one = LIBRARY.get("cheerful")
        assert one.recommended is not None
        how = SteeringSetting(positions=positions)
        return NamedVector(name, one.vector, type(one.recommended)((1,), 0.3, how))

    library = VectorLibrary([named("a", "generated"), named("b", "generated"), named("c", "all")])
    found = parse_steering("a + b", library)
    assert found is not None
    assert found.positions == "generated"
    with pytest.raises(SettingError, match="different positions"):
        parse_steering("a + c", library)
    found = parse_steering({"vectors": ["a", "c"], "positions": "prompt"}, library)
    assert found is not None
    assert found.positions == "prompt"


def test_relative_norms_are_known_where_a_push_has_a_length() -> None:
    assert parsed("cheerful").description()["pushes"][0]["relative_norm"] == {"1": STRENGTH}
    vector = LIBRARY.get("raw").vector
    raw = parsed({"vector": "raw", "layers": [2], "strength": -2, "scale": "raw"}).description()["pushes"][0]
    assert raw["relative_norm"]["2"] == pytest.approx(2 * float(vector.direction[2].norm()), rel=1e-5)
    clamped = parsed({"vector": "raw", "layers": [2], "strength": 1, "scale": "clamp"}).description()["pushes"][0]
    assert clamped["relative_norm"] is None


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["cheerful", "raw"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["vector", "name", "layers", "strength", "scale", "pushes", "vectors", "positions", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(json_values)
def test_any_value_is_steering_or_refused(given: Any) -> None:
    try:
        found = parse_steering(given, LIBRARY)
    except SettingError:
        return
    assert found is None or found.layers


MODELS = ServedModels("owner/tiny", LIBRARY)


def test_recommended_settings_are_listed_as_models() -> None:
    assert list(MODELS.names()) == [
        "owner/tiny", "owner/tiny:cheerful@recommended", "owner/tiny:formal@recommended"
    ]  # fmt: skip


def test_names_of_models_hold_settings() -> None:
    assert MODELS.steering_of("owner/tiny") is None
    assert MODELS.steering_of("owner/tiny:latest") is None
    for name in ("cheerful", "cheerful@recommended", f"cheerful@{STRENGTH}", f"{STRENGTH} cheerful", "cheerful:latest"):
        found = MODELS.steering_of(f"owner/tiny:{name}")
        assert found is not None
        assert found.hash == parsed("cheerful").hash
    both = MODELS.steering_of("owner/tiny:0.3 cheerful - 0.1 formal")
    assert both is not None
    assert len(both.pushes) == 2


@pytest.mark.parametrize("name", ["", "tiny", "gpt-4", "owner/tiny:", "owner/tiny:x", "owner/tiny:raw", "../tiny", ":"])
def test_other_models_are_unknown_and_near_ones_are_named(name: str) -> None:
    with pytest.raises(UnknownModel, match="no model"):
        MODELS.steering_of(name)


@pytest.mark.parametrize(
    ("model", "name"),
    [("smollm2-135m", "smollm2-135m"), ("owner/name", "owner/name"), ("/models/llama", "llama"),
     ("./llama/", "llama"), ("a/b/c.gguf", "c"), ("~/x/y.gguf", "y"), ("/", "model")],
)  # fmt: skip
def test_clients_never_learn_a_path(model: str, name: str) -> None:
    assert served_name(model) == name


def test_a_strength_that_no_computer_counts_with_is_refused_also_where_it_is_shared() -> None:
    for push in ({"vector": "formal", "strength": 10**400}, {"vector": "cheerful", "strength": -(10**400)}):
        with pytest.raises(SettingError, match="strength"):
            parse_steering(push, LIBRARY)


@pytest.mark.parametrize("scales", [("raw", "raw"), ("relative", "relative"), ("raw", "relative")], ids="+".join)
def test_a_request_here_and_one_to_vllms_own_server_and_one_push_with_another_mean_the_same(
    scales: tuple[str, str],
) -> None:
    generator = torch.Generator().manual_seed(0)
    v, w, state = torch.randn(3, 48, generator=generator)
    pushes = [Intervention({1: direction}, 0.4, scale) for direction, scale in zip((v, w), scales, strict=True)]

    def pushed(intervention: Intervention) -> torch.Tensor:
        return push_each(state[None], intervention.aims(1), torch.ones(1, dtype=torch.bool))[0]

    parts = [direction if scale == "raw" else state.norm() * direction / direction.norm()
             for direction, scale in zip((v, w), scales, strict=True)]  # fmt: skip
    wanted = state + 0.4 * (parts[0] + parts[1])
    vectors, names = Vectors(4, 48), []
    for direction in (v, w):
        names.append(content_name(content := packed({1: direction}, None)))
        vectors.add(names[-1], content)
    asked = tuple(Push(name, (1,), 0.4, scale) for name, scale in zip(names, scales, strict=True))
    for order in (1, -1):
        of_vllm = vectors.intervention(Spec(asked[::order]))
        assert of_vllm is not None
        for one in (summed(pushes[::order]), pushes[::order][0].and_also(pushes[::order][1]), of_vllm):
            torch.testing.assert_close(pushed(one), wanted)
