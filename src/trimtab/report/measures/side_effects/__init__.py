"""What a report shows of side effects: what else moves, what it costs, and what random pushes do."""

from trimtab.report.measures.side_effects.side_effects_report import SIDE_EFFECTS, SideEffectResults

__all__ = ["SIDE_EFFECTS", "SideEffectResults"]
