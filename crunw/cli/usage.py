"""What containers use, as a table: of ``crunw top``, printed or on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crunw.cli.table import table

if TYPE_CHECKING:
    from typing import Any

    Row = dict[str, Any]

ORDERS = ("cpu", "memory", "pids", "instructions", "id")
_UNITS = "KMGT"
_HEADER = "ID KIND ENGINE CODE STATUS CPU% MEMORY LIMIT PIDS INSTRUCTIONS".split()


def ordered(rows: list[Row], order: str) -> list[Row]:
    """The most first, then by name."""
    return sorted(rows, key=lambda row: (0 if order == "id" else -(row[order] or 0), row["id"]))


def text(rows: list[Row]) -> str:
    """The table."""
    return table(_HEADER, [_cells(row) for row in rows])


def _cells(row: Row) -> list[str]:
    code = row["execution"] or "-"
    return [
        row["id"],
        row["kind"],
        row["engine"] or "-",
        f"{code} (ready)" if row["ready"] else code,
        row["status"],
        "-" if row["cpu"] is None else f"{row['cpu']:.1f}",
        _amount(row["memory"], 1024),
        _amount(row["memoryLimit"], 1024),
        "-" if row["pids"] is None else str(row["pids"]),
        _amount(row["instructions"], 1000),
    ]


def _amount(number: int | None, base: int) -> str:
    """``12.3M``, of powers of ``base``."""
    if number is None:
        return "-"
    value, power = float(number), 0
    while value >= base and power < len(_UNITS):
        value /= base
        power += 1
    return f"{value:.1f}{_UNITS[power - 1]}" if power else str(number)
