"""Extraction on the bundled model, against a loop of our own and against swapped letters."""

from dataclasses import replace

import pytest
import torch

from trimtab.data import Behavior, dataset
from trimtab.engines import Model
from trimtab.errors import SettingError
from trimtab.models import Backbone, render_prompt
from trimtab.models.prompting.encoding import answers, user_text
from trimtab.vectors import SteeringVector, extract


@pytest.fixture(scope="module")
def model(smol: Backbone) -> Model:
    return Model(smol)


@pytest.fixture(scope="module")
def corrigible() -> Behavior:
    return dataset("corrigible")[:6]


@pytest.fixture(scope="module")
def cheerful() -> Behavior:
    return dataset("cheerful")[:5]


@torch.no_grad()
def states(model: Model, text: str) -> torch.Tensor:
    """States behind every layer, [n_layers, tokens, d_model], of one text run alone."""
    kept: list[torch.Tensor] = []
    handles = [
        layer.register_forward_hook(lambda m, a, out: kept.append((out if torch.is_tensor(out) else out[0])[0].clone()))
        for layer in model.backbone.anatomy.layers
    ]
    ids = model.backbone.tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids
    model.backbone.model(ids)
    for handle in handles:
        handle.remove()
    return torch.stack(kept)


def texts(model: Model, behavior: Behavior, form: str) -> list[tuple[str, str, str]]:
    """(prompt, prompt + positive, prompt + negative), rendered, of each pair as given."""
    found = []
    for pair in behavior:
        prompt = render_prompt(model.backbone.tokenizer, user_text(pair, form))
        positive, negative = answers(pair, form)
        found.append((prompt, prompt + positive, prompt + negative))
    return found


def assert_same(vector: SteeringVector, expected: torch.Tensor) -> None:
    assert torch.allclose(vector.direction, expected, atol=1e-4 * float(expected.abs().max()))


def test_mean_at_the_answer_letter_is_contrastive_activation_addition(model: Model, corrigible: Behavior) -> None:
    letter = -2  # "(A)" ends in its bracket; the letter stands before it
    differences = [
        states(model, positive)[:, letter] - states(model, negative)[:, letter]
        for pairs in (corrigible, replace(corrigible, pairs=tuple(p.swapped() for p in corrigible)))
        for _, positive, negative in texts(model, pairs, "choice")
    ]
    assert_same(extract(model, corrigible), torch.stack(differences).mean(0))


def test_mean_over_the_completion_is_the_mean_over_its_tokens(model: Model, cheerful: Behavior) -> None:
    differences = []
    for prompt, positive, negative in texts(model, cheerful, "text"):
        start = len(model.backbone.tokenizer(prompt, add_special_tokens=False).input_ids)
        differences.append(states(model, positive)[:, start:].mean(1) - states(model, negative)[:, start:].mean(1))
    assert_same(extract(model, cheerful), torch.stack(differences).mean(0))


def test_last_takes_the_last_token(model: Model, cheerful: Behavior) -> None:
    differences = [
        states(model, positive)[:, -1] - states(model, negative)[:, -1]
        for _, positive, negative in texts(model, cheerful, "text")
    ]
    assert_same(extract(model, cheerful, token_position="last"), torch.stack(differences).mean(0))


def test_residual_norm_is_the_mean_norm_of_the_states_read(model: Model, cheerful: Behavior) -> None:
    vector = extract(model, cheerful, token_position="last")
    norms = [states(model, text)[:, -1].norm(dim=1) for row in texts(model, cheerful, "text") for text in row[1:]]
    assert torch.allclose(vector.residual_norm, torch.stack(norms).mean(0), rtol=1e-4)


def test_swapping_all_letters_leaves_the_vector_unchanged(model: Model, corrigible: Behavior) -> None:
    swapped = replace(corrigible, pairs=tuple(pair.swapped() for pair in corrigible))
    for method in ("mean", "pca"):
        one, other = extract(model, corrigible, method=method), extract(model, swapped, method=method)
        assert_same(one, other.direction)


def test_the_vector_points_from_negative_to_positive(model: Model, cheerful: Behavior) -> None:
    reversed_ = replace(cheerful, pairs=tuple(replace(p, positive=p.negative, negative=p.positive) for p in cheerful))
    for method in ("mean", "pca"):
        one, other = extract(model, cheerful, method=method), extract(model, reversed_, method=method)
        assert_same(one, -other.direction)


def test_choice_vectors_report_letter_leakage_and_open_ones_do_not(
    model: Model, corrigible: Behavior, cheerful: Behavior
) -> None:
    letter = extract(model, corrigible).provenance.letter
    assert letter is not None
    assert len(letter.cosine) == len(letter.share) == model.facts.layers
    assert min(letter.share[10:]) > 0.5  # the letter swamps the data; balancing keeps it out of the vector
    assert max(letter.cosine[10:25]) < 0.5
    assert extract(model, cheerful).provenance.letter is None


def test_the_first_token_is_measured_as_the_sink_it_is(model: Model, cheerful: Behavior) -> None:
    ratio = extract(model, cheerful).provenance.first_token_ratio
    assert max(ratio) > 50


def test_provenance_names_model_pairs_and_method(model: Model, cheerful: Behavior) -> None:
    made = extract(model, cheerful, method="pca").provenance
    assert (made.model, made.behavior, made.pairs, made.method) == ("smollm2-135m", "cheerful", 5, "pca")
    assert made.pairs_hash == cheerful.hash
    assert made.fingerprint == model.fingerprint


def test_open_pairs_cannot_be_asked_as_choices(model: Model, cheerful: Behavior) -> None:
    with pytest.raises(SettingError, match="open pairs"):
        extract(model, cheerful, form="choice")


def test_a_steered_model_is_not_extracted_from(model: Model, cheerful: Behavior) -> None:
    vector = extract(model, cheerful)
    with model.steer(vector, layer=3), pytest.raises(SettingError, match="being steered"):
        extract(model, cheerful)
