"""Tables for people."""

from __future__ import annotations


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return left-aligned columns, as runc prints them; the last column is not padded."""
    lines = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    widths[-1] = 0
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + "\n"
        for line in lines
    )
