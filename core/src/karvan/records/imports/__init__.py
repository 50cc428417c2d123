"""Import of CSV files: what is read is mapped, made to fit, written or told, never swallowed."""

from karvan.records.imports.options import ImportOptions
from karvan.records.imports.report import ColumnReport, ImportReport, MadeOption, Missing
from karvan.records.imports.run import Imports

__all__ = ["ColumnReport", "ImportOptions", "ImportReport", "Imports", "MadeOption", "Missing"]
