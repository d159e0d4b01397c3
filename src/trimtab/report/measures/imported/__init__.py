"""What a report shows of imported probabilities and conditions."""

from trimtab.report.measures.imported.imported_report import IMPORTED, ImportedResults

__all__ = ["IMPORTED", "ImportedResults"]
