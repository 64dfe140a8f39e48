"""Tables of rows: `JsonTable`, CSV, and XNAT's tables in JSON."""

from .table import (
    CsvDest,
    CsvSource,
    JsonTable,
    Row,
    csv_to_json,
    html_table,
    iter_csv,
    parse_csv,
    texts,
    write_csv,
)

__all__ = [
    'CsvDest',
    'CsvSource',
    'JsonTable',
    'Row',
    'csv_to_json',
    'html_table',
    'iter_csv',
    'parse_csv',
    'texts',
    'write_csv',
]
