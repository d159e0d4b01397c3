"""Options of verbs that load a model: the model itself, how vectors are made, and how they steer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import click

from trimtab.cli.options import (
    Decorator,
    balance_option,
    behavior_option,
    choice,
    pairs_options,
    quiet_option,
    refuse_unused,
    seed_option,
    several,
    was_given,
)
from trimtab.engines import ENGINES, Scoring
from trimtab.errors import SettingError
from trimtab.inputs.yaml_text import parse_yaml
from trimtab.models import BUNDLED, QUANTIZATIONS, DType, ExamplePosition, SystemRole, Template, Thinking, TokenPosition
from trimtab.steering import DEFAULT_SCALE, POSITIONS, SCALES
from trimtab.steering.scales.percentiles import PERCENTILE_OF
from trimtab.vectors import AGGREGATIONS


class NamesOption(click.Option):
    """An option whose value is a name of a registry: its help shows the names as a list, packages' own among them."""

    def __init__(self, *args: Any, names: Callable[[], Sequence[str]], **kwargs: Any):
        """As `click.option` does, with the names of the registry."""
        super().__init__(*args, **kwargs)
        self._names = names

    def make_metavar(self, ctx: click.Context | None = None) -> str:
        """The names, as click shows choices. What is typed is checked by the settings, which know near misses."""
        return f"[{'|'.join(self._names())}]"


def model_option(default: str | None = BUNDLED, show_default: bool | str = True) -> Decorator:
    """Which model."""
    return click.option(
        "--model", "-m", metavar="MODEL", default=default, show_default=show_default,
        help="Bundled name, hub id, folder or .gguf file.",
    )  # fmt: skip


def layers_option(default: str) -> Decorator:
    """Which layers."""
    return click.option(
        "--layers", metavar="LAYERS", default=default, show_default=True,
        help="all, 9,13,17, 9:18, 0.33: (by depth), 9+10 (together).",
    )  # fmt: skip


def strengths_option(default: str | None = None) -> Decorator:
    """Which strengths; by default those that are usual for the scale."""
    return click.option(
        "--strengths", metavar="α,α,…", default=default, show_default=default or _usual_in_words(),
        help="In units of the scale; write --strengths=-0.1,0.1 where the first is negative.",
    )  # fmt: skip


bound_option = click.option(
    "--bound", metavar="P,P,…", default=None,
    help="In place of strengths, with --scale cap or floor: percentiles of each layer's projections, such as p25.",
)  # fmt: skip


def strengths_setting(strengths: str | None, bound: str | None) -> dict[str, Any]:
    """The keys `strengths` or `bound` of a study; neither where none was given, for the scale's usual strengths.

    Raises:
        click.UsageError: for both.
    """
    if bound is None:
        return {} if strengths is None else {"strengths": strengths}
    refuse_unused({"--strengths": was_given("strengths")}, "--bound says how far")
    return {"bound": [one.strip() for one in bound.split(",")]}


def _usual_in_words() -> str:
    return " or ".join(f"±{SCALES.get(scale).usual_strength:g} {scale}" for scale in (DEFAULT_SCALE, "raw"))


def study_scales() -> tuple[str, ...]:
    """The scales that a study can name: those of percentiles are what `bound` makes of others."""
    return tuple(name for name in SCALES.names() if name not in PERCENTILE_OF.values())


def scale_option(names: Callable[[], Sequence[str]] = study_scales) -> Decorator:
    """What a strength means."""
    return click.option(
        "--scale", cls=NamesOption, names=names, default=DEFAULT_SCALE, show_default=True,
        help="relative is h + α·‖h‖·v̂, raw h + α·v, kl a KL divergence in nats; docs/exactness.md has all.",
    )  # fmt: skip


dtype_option = choice(
    "--dtype", choices=get_args(DType), default="auto", show_default=True, help="Number format of the weights."
)


def _as_device(ctx: click.Context, option: click.Parameter, given: str) -> str | dict[str, Any]:
    """A device, or in braces a device for each part of a model."""
    if not given.strip().startswith("{"):
        return given
    try:
        found, _ = parse_yaml(given, "--device")
    except SettingError as error:
        raise click.BadParameter(str(error)) from None
    if not isinstance(found, dict) or not found:
        raise click.BadParameter("a mapping of devices is written as {model.layers.0: 0, '': cpu}")
    return {str(name): place for name, place in found.items()}


device_option = click.option(
    "--device", metavar="DEVICE", default="auto", show_default=True, callback=_as_device,
    help="auto, cpu, cuda, cuda:1, mps; balanced: over all GPUs; {module: device, …}: each part on its own.",
)  # fmt: skip
quantization_option = click.option(
    "--quantization", cls=NamesOption, names=lambda: list(QUANTIZATIONS), default="",
    help="Put the weights into a format of fewer bits.",
)  # fmt: skip
method_option = click.option(
    "--method", cls=NamesOption, names=AGGREGATIONS.names, default="mean", show_default=True,
    help="How the pairs become a direction.",
)  # fmt: skip
_TOKEN_POSITIONS = tuple(dict.fromkeys(("auto", *get_args(TokenPosition), *get_args(ExamplePosition))))
token_position_option = choice(
    "--token-position", choices=_TOKEN_POSITIONS, default="auto", show_default=True,
    help="Tokens whose states are read: the answer, the last one, or all of the completion.",
)  # fmt: skip
scoring_option = choice(
    "--scoring", choices=("auto", *get_args(Scoring)), default="auto", show_default=True,
    help="What is compared: two answers to a choice, or two texts.",
)  # fmt: skip
vectors_option = click.option(
    "--vectors", "-v", metavar="FILE", type=click.Path(path_type=Path), default=None,
    help="Steer with the vectors in this file, written by `trimtab extract` or `trimtab vectors import`.",
)  # fmt: skip
positions_option = click.option(
    "--positions", cls=NamesOption, names=lambda: tuple(POSITIONS), default="all", show_default=True,
    help="Tokens that are pushed; docs/exactness.md says which.",
)  # fmt: skip
first_token_option = click.option("--first-token", is_flag=True, help="Push the first token, the attention sink, too.")

when_options = several(
    click.option(
        "--when", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
        help="Push only behind prompts that this monitor scores above --when-above, decided once on each prompt.",
    ),
    click.option(
        "--when-above", metavar="P", type=float, default=0.5, show_default=True, help="The probability for that."
    ),
    click.option(
        "--when-reads", type=click.Choice(["mean", "last"]), default="mean", show_default=True,
        help="What of the prompt is scored: the mean state of its tokens, or the state of its last one.",
    ),
)  # fmt: skip
"""The condition on the prompt under which is pushed."""


def when_setting(when: Path | None, above: float, reads: str) -> dict[str, Any]:
    """The key `when` of a study, where `--when` was given.

    Raises:
        click.UsageError: for options of a condition without one.
    """
    if when is None:
        unused = {"--when-above": was_given("when_above"), "--when-reads": was_given("when_reads")}
        refuse_unused(unused, "there is no condition; give --when")
        return {}
    return {"when": {"monitor": str(when), "above": above, "reads": reads}}


def as_mapping(ctx: click.Context, option: click.Parameter, given: tuple[str, ...]) -> dict[str, Any]:
    """KEY=VALUE as a mapping; values as a study file would have them, so that 8 is a number."""
    found: dict[str, Any] = {}
    for text in given:
        key, sign, value = text.partition("=")
        if not key or not sign:
            raise click.BadParameter(f"{text!r} is not KEY=VALUE, such as tensor_parallel_size=8")
        if key in found:
            raise click.BadParameter(f"{key} is given twice; keep one")
        try:
            found[key], _ = parse_yaml(value, key)
        except SettingError as error:
            raise click.BadParameter(str(error)) from None
    return found


engine_options = several(
    click.option(
        "--engine", cls=NamesOption, names=ENGINES.names, default="transformers", show_default=True,
        help="What runs the model.",
    ),
    click.option(
        "--engine-option", "engine_options", multiple=True, metavar="KEY=VALUE", callback=as_mapping,
        help="Of the engine, such as tensor_parallel_size=8 of vLLM. May be given again.",
    ),
)  # fmt: skip
"""What runs the model."""

_ASKING = {name: get_args(choices) for name, choices in (
    ("template", Template), ("thinking", Thinking), ("system_role", SystemRole)
)}  # fmt: skip


def _as_asking(ctx: click.Context, option: click.Parameter, given: tuple[str, ...]) -> dict[str, Any]:
    """KEY=VALUE as arguments of `trimtab.load`."""
    found: dict[str, Any] = {}
    for text in given:
        key, _, value = text.partition("=")
        key = key.replace("-", "_")
        if value not in _ASKING.get(key, ()):
            known = ", ".join(f"{name}={'|'.join(values)}" for name, values in _ASKING.items())
            raise click.BadParameter(f"{text!r} is none of {known}")
        if key in found:
            raise click.BadParameter(f"{key} is given twice; keep one")
        found[key] = value
    return found


ask_option = click.option(
    "--ask", multiple=True, metavar="KEY=VALUE", callback=_as_asking,
    help="How the model is asked: template=none (text as it is), thinking=on, system_role=user. May be given again.",
)  # fmt: skip

stream_option = click.option(
    "--stream/--no-stream", default=None, show_default="where the weights do not fit into memory",
    help="Read the layers from the model's files as they are needed.",
)  # fmt: skip

placement_options = several(dtype_option, device_option, quantization_option, stream_option)
"""Where the model is and in which numbers."""

model_options = several(behavior_option(), model_option(), pairs_options, placement_options, seed_option, quiet_option)
"""Which model, which pairs."""

training_option = click.option(
    "--training", multiple=True, metavar="KEY=VALUE", callback=as_mapping,
    help="Of a trained method, such as steps=100 or norm_bound=0.3. May be given again.",
)  # fmt: skip

extraction_options = several(method_option, training_option, token_position_option, balance_option, scoring_option)
"""How the vector is made."""
