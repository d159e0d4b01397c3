"""The subjects of a plan: behaviors in models of which only configuration and pairs are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from trimtab.data import AnyContrast, Behavior
from trimtab.engines import Scoring
from trimtab.evaluation import Grid, resolve_scoring
from trimtab.study._contrast_parts import parts_of
from trimtab.study._unscored import UnscoredBehavior
from trimtab.study.given import Parts
from trimtab.study.measures.base import ChosenSetting, Subject
from trimtab.study.measures.grids import narrowed, reply_grid, swept_grid
from trimtab.study.measures.replies.settings import Replies
from trimtab.study.settings.behavior_setting import BehaviorSetting
from trimtab.study.settings.model_setting import ModelSetting
from trimtab.study.settings.study_file import Study


@dataclass(frozen=True, eq=False)
class PlannedSubject(Subject):
    """A behavior in a model that is not loaded, with stand-ins for the settings that only a run can choose."""

    @property
    def grid(self) -> Grid:
        """The cells of the sweep, their strengths not calibrated."""
        return swept_grid(self.study, self.n_layers)

    def chosen(self) -> list[ChosenSetting]:
        """As many settings as a run would choose at most: the middle layer for the one that scores choose."""
        grid, replies = self.grid, self.study.replies
        strongest = max(abs(strength) for _, strength in grid.steered)
        found = [ChosenSetting("scores", narrowed(grid, grid.layers[len(grid.layers) // 2], strongest))]
        if replies and replies.covers(self.model, self.setting.label, self.behavior.is_choice):
            found.append(ChosenSetting("replies", self._chosen_by_replies(replies, grid)))
        return found

    def _chosen_by_replies(self, replies: Replies, swept: Grid) -> Grid:
        """A cell that replies try and the sweep does not, if there is one: it takes the most work."""
        grid = reply_grid(self.study, replies, self.n_layers)
        cells = grid.steered
        layers, strength = max(
            [cell for cell in cells if cell not in swept.steered] or cells, key=lambda cell: abs(cell[1])
        )
        return narrowed(grid, layers, strength)

    def obstacle(self, behavior: Behavior, scoring: Scoring) -> str:
        """Empty: whether the model can be asked is not known before it is loaded."""
        return ""


def planned_subjects(
    study: Study,
    model: ModelSetting,
    n_layers: int,
    behaviors: Sequence[tuple[BehaviorSetting, Behavior]],
    given: Mapping[str, Parts] = MappingProxyType({}),
    contrasts: Mapping[str, AnyContrast] = MappingProxyType({}),
) -> Iterator[PlannedSubject]:
    """The behaviors of a study in one model.

    Args:
        study: The study.
        model: The model.
        n_layers: How many layers it has.
        behaviors: Settings and pairs of every behavior of the study.
        given: Parts of behaviors that are not split by the study, by label.
        contrasts: What vectors are made of that are not made of a part of the pairs, by label.
    """
    split = [
        (setting, behavior, given.get(setting.label) or parts_of(study, setting, behavior))
        for setting, behavior in behaviors
    ]
    scorings = [resolve_scoring(behavior, setting.scoring) for setting, behavior in behaviors]
    others = [
        (parts[2], scoring)
        for (_, behavior, parts), scoring in zip(split, scorings, strict=True)
        if not isinstance(behavior, UnscoredBehavior)
    ]
    for (setting, behavior, parts), scoring in zip(split, scorings, strict=True):
        yield PlannedSubject(
            study, model.label, n_layers, setting, behavior, parts, scoring, others,
            contrast=contrasts.get(setting.label),
        )  # fmt: skip
