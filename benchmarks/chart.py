"""The ratios as a picture: one bar for each workload and peer, in SVG."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.measure import Result

_ROW = 22
_LABELS = 430  # px for the titles
_WIDTH = 960
_DECADES = (-3, 1)  # powers of ten at the axis' ends
_STYLE = (
    "text{font:13px sans-serif;fill:#222}.grid{stroke:#ccc}.one{stroke:#222}"
    ".better{fill:#2f7d4f}.worse{fill:#b5532d}.spread{stroke:#222;stroke-width:1.5}"
)


def draw(results: Sequence[Result]) -> str:
    """Bars from 1 to crunw's ratio, on a logarithmic axis; shorter than 1 to the left is less."""
    rows = [
        (f"{result.title} / {other}", result.ratio("crunw", other))
        for result in results
        for other in result.samples
        if other != "crunw" and "crunw" in result.samples
    ]
    height = 46 + _ROW * len(rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}">',
        f"<style>{_STYLE}</style>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        '<text x="8" y="18">crunw in terms of its peers: left of 1 is less time or memory</text>',
        *(_grid_line(power, height) for power in range(_DECADES[0], _DECADES[1] + 1)),
        *(_bar(title, ratios, 42 + _ROW * index) for index, (title, ratios) in enumerate(rows)),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _x(ratio: float) -> float:
    first, last = _DECADES
    power = min(max(math.log10(ratio), first), last)
    return round(_LABELS + (power - first) / (last - first) * (_WIDTH - _LABELS - 70), 1)


def _grid_line(power: int, height: int) -> str:
    x = _x(10.0**power)
    kind = "grid" if power else "one"
    return (
        f'<line class="{kind}" x1="{x}" x2="{x}" y1="38" y2="{height}"/>'
        f'<text x="{x}" y="34" text-anchor="middle">{10.0**power:g}</text>'
    )


def _bar(title: str, ratios: tuple[float, float, float], y: int) -> str:
    ratio, low, high = ratios
    left, right = sorted((_x(ratio), _x(1.0)))
    kind = "better" if ratio <= 1 else "worse"
    middle = y + _ROW / 2 - 3
    return (
        f'<text x="8" y="{y + 13}">{escape(title)}</text>'
        f'<rect class="{kind}" x="{left}" y="{y}" width="{right - left:.1f}" height="{_ROW - 6}"/>'
        f'<line class="spread" x1="{_x(low)}" x2="{_x(high)}" y1="{middle}" y2="{middle}"/>'
        f'<text x="{_x(max(high, 1.0)) + 6}" y="{y + 13}">{ratio:.3g}</text>'
    )
