"""Print results: tables for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from haconiwa_core.log import escape


def print_json(data: Any) -> None:
    """Print a value as indented JSON, in ASCII: any other character might act on a terminal."""
    print(json.dumps(data, indent=2))


def print_line(text: str) -> None:
    """Print a line for people."""
    print(escape(text))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns as wide as their widest cell; the last column runs free. A row is one line."""
    table = [tuple(header), *(tuple(escape(cell).replace("\n", r"\n") for cell in row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print("  ".join(cells).rstrip())
