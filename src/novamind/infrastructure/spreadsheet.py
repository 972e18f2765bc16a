"""Texts in a CSV file that a spreadsheet program would take for formulas (CWE-1236)."""

import polars as pl

# A text that is read as a formula, or that was made of one by the rule below.
_FORMULA = r"^('*[=+\-@\t\r])"


def without_formulas(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table with an apostrophe before each text that begins like a formula; numbers stay numbers."""
    return table.with_columns(pl.col(pl.String).str.replace(_FORMULA, "'$1"))


def without_apostrophes(table: pl.DataFrame) -> pl.DataFrame:
    """Return the table that :func:`without_formulas` took."""
    return table.with_columns(pl.col(pl.String).str.replace(_FORMULA.replace("(", "'(", 1), "$1"))
