"""The cells that a study means in a model."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from trimtab.evaluation import Grid, parse_layers
from trimtab.steering import SCALES, PromptGate
from trimtab.study.measures.replies.settings import Replies
from trimtab.study.settings.study_file import Study


def swept_grid(study: Study, n_layers: int, there: Collection[int] | None = None) -> Grid:
    """The cells of the sweep; with the scale `kl` before their strengths are calibrated.

    Args:
        study: The study.
        n_layers: Of the model.
        there: The layers at which the vector has a direction; None where that is not known, as in a plan.

    Raises:
        SettingError: For layers that the model does not have.
    """
    if study.vector_layer is not None:
        parse_layers([study.vector_layer], n_layers)
    return Grid(parse_layers(study.layers, n_layers, _usable(study, there)), study.strengths, study.steering())


def reply_grid(study: Study, replies: Replies, n_layers: int, there: Collection[int] | None = None) -> Grid:
    """The cells that reply: those of the sweep where the settings of replies name no others.

    Args:
        study: The study.
        replies: Its settings of replies.
        n_layers: Of the model.
        there: As for `swept_grid`.

    Raises:
        SettingError: For layers that the model does not have.
    """
    return replace(
        swept_grid(study, n_layers, there),
        layers=parse_layers(replies.layers or study.layers, n_layers, _usable(study, there)),
        strengths=replies.strengths or study.strengths,
        setting=study.steering(replies.scale),
    )


def trained_layers(study: Study, n_layers: int) -> tuple[int, ...]:
    """The layers at which a study needs a vector: those that it sweeps or replies at; without a sweep all."""
    if study.vector_layer is not None:
        return (study.vector_layer,)
    if not study.sweep:
        return tuple(range(n_layers))
    grids = [swept_grid(study, n_layers)]
    if study.replies is not None:
        grids.append(reply_grid(study, study.replies, n_layers))
    return tuple(sorted({layer for grid in grids for layers in grid.layers for layer in layers}))


def needs_transport(study: Study) -> bool:
    """Whether a study steers by a scale that needs the map between the two sides."""
    return any("transport_slope" in SCALES.get(scale).needs for scale in study.scales)


def _usable(study: Study, there: Collection[int] | None) -> Collection[int] | None:
    """The layers that can be steered at: all of them where one layer's direction is used everywhere."""
    return there if study.vector_layer is None else None


def narrowed(grid: Grid, layers: tuple[int, ...], strength: float) -> Grid:
    """A grid with only one of its cells, at both signs as far as it has both."""
    return replace(grid, layers=(layers,), strengths=tuple(s for s in grid.strengths if abs(s) == abs(strength)))


def grid_key(grid: Grid) -> str:
    """Text that identifies the cells of a grid and how they are pushed, the same in every version of trimtab."""
    setting = grid.setting
    alphas = None if grid.alphas is None else {tuple(cell): alpha for cell, alpha in grid.alphas.items()}
    gate = setting.gate
    # Only where there is one: the keys of others are as they were.
    gated = f", gate={gate.content_hash}" if isinstance(gate, PromptGate) else ""
    return (
        f"Grid(layers={grid.layers!r}, strengths={grid.strengths!r}, scale={setting.scale!r}, "
        f"positions={setting.positions!r}, first_token={setting.first_token!r}, "
        f"share_strength={setting.share_strength!r}, vector_layer={setting.vector_layer!r}, alphas={alphas!r}{gated})"
    )
