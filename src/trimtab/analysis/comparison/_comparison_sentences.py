"""Sentences about how models differ, each made from the values of one finding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trimtab._util.wording import listed, plural
from trimtab.analysis.findings import Values
from trimtab.analysis.formatting import decimals_for, fixed, p_equals, with_interval

MAX_NAMED = 3
"""Models that one sentence names; of the others it gives the number."""

SIZES = {"mean_delta": "mean delta", "mean_glass": "mean Δ", "mean_depth": "mean depth of the chosen layer"}
ATTRIBUTES = {
    "layers": "the number of layers", "heads": "the number of heads", "width": "the width",
    "parameters": "the number of parameters", "active_parameters": "the number of active parameters",
    "parameters_per_layer": "the number of parameters per layer",
}  # fmt: skip


def model_order(_about: str, values: Values) -> str:
    """Which models are ahead of all others, and which behind; where none is, which are indistinguishable at the top."""
    parts = []
    first, last, top, pair = (values[name] for name in ("first", "last", "top", "pair"))
    if first:
        verb = "moves" if len(first) == 1 else "move"
        parts.append(f"{listed(_names(first))} {verb} most: {'; '.join(_number(values, one) for one in first)}")
    if last:
        parts.append(f"{listed(_names(last))} least: {'; '.join(_number(values, one) for one in last)}")
    if top:
        parts.append(f"{listed(_names(top), MAX_NAMED)} are not significantly different at the top")
    if pair:
        one, other = (f"{model['name']} ({_number(values, model)})" for model in pair)
        parts.append(f"{one} is ahead of {other}")
    return (
        f"{_lead(values)}, {'; '.join(parts)}. Means are over {behaviors_in_words(values['behaviors'])}; differences "
        f"are corrected for {plural(values['pairs'], 'pair')} of models.{_unlike(values)}"
    )


def no_model_order(_about: str, values: Values) -> str:
    """That no two models are shown to differ."""
    order = values["models"]
    many = len(order) > MAX_NAMED
    shown = [order[0], order[-1]] if many else order
    models = (" to " if many else "; ").join(f"{one['name']} ({_number(values, one)})" for one in shown)
    return f"{_lead(values)}, the models are not significantly different: {models}.{_unlike(values)}"


def no_order_by_spread(_about: str, values: Values) -> str:
    """That the order by delta vanishes once each model is divided by its own spread."""
    return f"{_among(values)}{_BY_SPREAD}, no model is shown to move more than another."


def reversed_order(_about: str, values: Values) -> str:
    """That two models change places when each is divided by its own spread."""
    ahead, behind = values["ahead"], values["behind"]
    more = f" {plural(values['turned'], 'pair')} of models change places so." if values["turned"] > 1 else ""
    return (
        f"{_among(values)}{_BY_SPREAD}, the order changes: {ahead['name']} is ahead of {behind['name']} by delta "
        f"({_mean(ahead['delta'])} against {_mean(behind['delta'])}) and behind it by Δ ({_mean(ahead['glass'])} "
        f"against {_mean(behind['glass'])}).{more}"
    )


def unmeasured_behaviors(_about: str, values: Values) -> str:
    """That a model was not measured on every behavior."""
    return (
        f"{values['name']} was not measured on {values['missing']}; its means are over "
        f"{behaviors_in_words(values['behaviors'])} only, so its rank is not a like-for-like comparison."
    )


def depth_difference(_about: str, values: Values) -> str:
    """That the chosen layers of one group of models lie deeper."""
    return (
        f"{_among(values)}By {values['grouping']}, the chosen layers lie deeper in the models "
        f"“{values['deeper']['level']}” than in “{values['other']['level']}”: {_depths(values)}."
    )


def no_depth_difference(_about: str, values: Values) -> str:
    """That two groups are not shown to differ in depth."""
    return (
        f"{_among(values)}By {values['grouping']}, the depths of the chosen layers are not shown to differ between "
        f"“{values['deeper']['level']}” and “{values['other']['level']}”: {_depths(values)}."
    )


def strongest_correlation(_about: str, values: Values) -> str:
    """That the strongest of the correlations with the architecture is significant."""
    return (
        f"{_among(values)}Of {_tried(values)}, one is shown: {correlates(values)}, {_r(values)}. It was picked as the "
        "strongest, so its size is optimistic."
    )


def no_correlation(_about: str, values: Values) -> str:
    """That no correlation with the architecture is significant."""
    return f"{_among(values)}Of {_tried(values)}, none is shown."


def correlates(values: Values) -> str:
    """Name the two columns of a correlation."""
    return f"{SIZES[str(values['measure'])]} with {ATTRIBUTES[str(values['attribute'])]}"


def behaviors_in_words(n: Any) -> str:
    """Count behaviors."""
    return "one behavior" if n == 1 else plural(n, "behavior")


_BY_SPREAD = "Dividing each model by its own spread"


def _among(values: Values) -> str:
    """The engine and scoring that a sentence is about, where there are several."""
    names = [f"{name} {value}" for name, value in values["among"].items()]
    return f"With {' and '.join(names)}: " if names else ""


def _lead(values: Values) -> str:
    if values["by"] == "glass":
        return f"{_among(values)}{_BY_SPREAD}"
    return f"{_among(values)}{'Each over its own behaviors, in' if values['incomplete'] else 'In'} score units"


def _names(models: Sequence[Values]) -> list[str]:
    return [str(model["name"]) for model in models]


def _number(values: Values, model: Values) -> str:
    return f"mean {'delta' if values['by'] == 'delta' else 'Δ'} {_interval(model['mean'], values['unit'])}"


def _unlike(values: Values) -> str:
    """In what the numbers of these models are not of one kind, although they can be compared."""
    parts = []
    if values["tokens"] and values["by"] == "delta":
        parts.append("a token is not the same in each model, which Δ does not depend on")
    if len(values["strengths"]) > 1:
        parts.append("the models were not all tried at the same strengths")
    if not parts:
        return ""
    text = "; ".join(parts)
    return f" {text[0].upper()}{text[1:]}."


def _mean(mean: Sequence[float]) -> str:
    """A mean without its interval, whose difference from another one is what is shown."""
    return fixed(mean[0], decimals_for([mean[0]]))


def _interval(mean: Sequence[float], unit: str = "") -> str:
    value, low, high = mean
    return with_interval(value, low, high, decimals_for([value]), unit=unit)


def _depths(values: Values) -> str:
    p, tests, least = values["p"], values["tests"], values["least_p"]
    corrected = f", corrected for {plural(tests, 'comparison')}" if tests > 1 else ""
    verdict = "" if least * tests < 0.05 else "; so few models cannot show a difference"
    deep, flat = (
        f"{fixed(group['depth'])} ({plural(group['models'], 'model')})" for group in (values["deeper"], values["other"])
    )
    return f"mean depth {deep} and {flat}, {p_equals(p)}{corrected}{verdict}"


def _tried(values: Values) -> str:
    return f"{plural(values['tests'], 'correlation')} with the architecture, among {plural(values['n'], 'model')}"


def _r(values: Values) -> str:
    r = with_interval(values["r"], values["low"], values["high"])
    return f"r {r}, {p_equals(values['p'])} corrected for the number tried"
