"""What a report shows of the diagnosis: quality of the pairs, layers without a sweep, other methods."""

from trimtab.report.measures.diagnosis.diagnosis_report import DIAGNOSIS, DiagnosisResults

__all__ = ["DIAGNOSIS", "DiagnosisResults"]
