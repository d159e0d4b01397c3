"""What a report shows of baselines."""

from trimtab.report.measures.baselines.baselines_report import BASELINES

__all__ = ["BASELINES"]
