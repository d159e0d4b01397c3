"""Methods compared in one sweep are what sweeps of their own would say."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch

from planted import keep, open_pairs
from trimtab.analysis.diagnosis import method_effects
from trimtab.data import Behavior, dataset
from trimtab.engines import Model
from trimtab.errors import SettingError, TrimtabWarning
from trimtab.evaluation import sweep
from trimtab.evaluation.methods import METHOD_COLUMNS, compare_methods, method_cosines, method_vectors
from trimtab.models import Backbone
from trimtab.vectors import StateDifferences, read_differences

NAMES = ["mean", "pca", "probe", "lda", "median", "single 1", "single 2", "random 1", "random 2", "random 3"]
LAYERS, STRENGTHS = [0, 2], [-0.1, 0.1]


@pytest.fixture(scope="module")
def model(llama: Backbone) -> Model:
    return Model(llama)


@pytest.fixture(scope="module")
def parts() -> tuple[Behavior, Behavior, Behavior]:
    return dataset("corrigible", limit=16).split(seed=0)


@pytest.fixture(scope="module")
def kept(model: Model, parts: tuple[Behavior, ...]) -> StateDifferences:
    return read_differences(model, parts[0])


@pytest.fixture(scope="module")
def compared(model: Model, kept: StateDifferences, parts: tuple[Behavior, ...]) -> pd.DataFrame:
    return compare_methods(
        model, kept, parts[1], parts[2], layers=LAYERS, strengths=STRENGTHS, singles=2, randoms=3, seed=5
    )


def differences(n: int = 12) -> torch.Tensor:
    return torch.randn(n, 3, 8, generator=torch.Generator().manual_seed(0)) + 1


def test_every_method_and_draw_has_the_rows_of_a_sweep(compared: pd.DataFrame, parts: tuple[Behavior, ...]) -> None:
    assert tuple(compared.columns) == METHOD_COLUMNS
    assert list(dict.fromkeys(compared["method"])) == NAMES
    prompts = 2 * (len(parts[1]) + len(parts[2]))  # in both option orders
    assert compared.groupby("method").size().eq(prompts * (1 + len(LAYERS) * len(STRENGTHS))).all()


def test_each_methods_scores_are_those_of_its_own_sweep(
    model: Model, kept: StateDifferences, parts: tuple[Behavior, ...], compared: pd.DataFrame
) -> None:
    keys = ["split", "prompt_id", "order", "layers", "strength"]
    vectors = method_vectors(kept, singles=2, randoms=3, seed=5)
    for name in ("mean", "probe", "single 2", "random 3"):
        alone = sweep(
            model, vectors[name], parts[1], test=parts[2], layers=LAYERS, strengths=STRENGTHS, scale="relative"
        ).samples
        mine = compared[compared["method"] == name]
        both = mine.merge(alone, on=keys, suffixes=("", "_alone"))
        assert len(both) == len(mine) == len(alone)
        assert np.allclose(both["score"], both["score_alone"], atol=1e-4)


def test_methods_differ_and_draws_differ(compared: pd.DataFrame) -> None:
    steered = compared[compared["strength"] != 0]
    scores = [tuple(rows["score"].round(5)) for _, rows in steered.groupby("method")]
    assert len(set(scores)) == len(NAMES)


def test_progress_counts_rows_once(model: Model, kept: StateDifferences, parts: tuple[Behavior, ...]) -> None:
    told: list[tuple[int, int]] = []
    compare_methods(
        model, kept, parts[1], layers=[2], methods=["mean", "random"], randoms=2,
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert told[-1] == (2 * len(parts[1]), 2 * len(parts[1]))
    assert [done for done, _ in told] == sorted({done for done, _ in told})


def test_prompts_that_went_into_the_vectors_are_warned_of(
    model: Model, kept: StateDifferences, parts: tuple[Behavior, ...]
) -> None:
    with pytest.warns(TrimtabWarning, match="4 prompts of select went into the vectors"):
        compare_methods(model, kept, parts[0][:4], parts[2], layers=[2], methods=["mean"])
    with warnings.catch_warnings():
        warnings.simplefilter("error", TrimtabWarning)
        compare_methods(model, kept, parts[1], parts[2], layers=[2], methods=["mean"])


def test_single_draws_are_different_pairs_and_no_more_than_there_are() -> None:
    kept = keep(differences())
    drawn = [v.provenance.pair_id for v in method_vectors(kept, ["single"], singles=10).values()]
    assert len(set(drawn)) == len(drawn) == 10
    assert list(method_vectors(keep(differences(3)), ["single"], singles=5)) == ["single 1", "single 2", "single 3"]


def test_a_draw_can_be_made_again_from_its_provenance() -> None:
    kept = keep(differences())
    for name, vector in method_vectors(kept, ["single", "random"], seed=9).items():
        again = kept.vector("single" if "single" in name else "random", vector.provenance.seed or 0)
        assert torch.equal(again.direction, vector.direction)


def test_fewer_than_one_draw_is_refused() -> None:
    with pytest.raises(SettingError, match="draw at least one"):
        method_vectors(keep(differences()), randoms=0)


def test_cosines_with_the_mean_are_told_layer_by_layer() -> None:
    along = torch.eye(8)[0].expand(6, 3, -1).clone()
    along[:, 2] = torch.eye(8)[1]
    vectors = method_vectors(keep(along, open_pairs(6)), ["mean", "median", "lda"])
    vectors["lda"] = -1.0 * vectors["lda"]
    table = method_cosines(vectors)
    assert list(table.columns) == ["method", "layer", "depth", "cosine"]
    assert table["method"].tolist() == ["median"] * 3 + ["lda"] * 3
    assert table["layer"].tolist() == [0, 1, 2] * 2
    assert table["depth"].tolist() == pytest.approx([1 / 3, 2 / 3, 1] * 2)
    assert table["cosine"].tolist() == pytest.approx([1, 1, 1, -1, -1, -1], abs=1e-5)


def test_cosines_need_the_mean() -> None:
    with pytest.raises(SettingError, match="have mean among"):
        method_cosines(method_vectors(keep(differences()), ["pca"]))


def test_on_the_bundled_model_the_mean_steers_and_random_directions_do_not(smol: Backbone) -> None:
    train, select, test = dataset("cheerful", limit=24).split(seed=0)
    model = Model(smol)
    samples = compare_methods(
        model, read_differences(model, train), select, test, layers=[14], methods=["mean", "random"], randoms=2
    )
    found = method_effects(samples, draws=500).set_index("method")
    assert found.loc["mean", "delta_low"] > 0
    assert found.loc["random", "difference_high"] < 0
