"""Fields of elements in spreadsheets: out, edited, and back."""

from .report import SheetReport, SheetResult
from .service import Sheets

__all__ = ['SheetReport', 'SheetResult', 'Sheets']
