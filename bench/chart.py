"""Line charts as SVG, by hand: few points, labels that can be read in black and white and by a screen reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10

__all__ = ["Line", "line_chart"]

_WIDTH, _HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 190, 50, 55
_APART = 34  # between two marks of the x axis; points that stand closer share one
_STYLES = (("#1d4f91", "none"), ("#b3541e", "7 4"), ("#3a7d44", "2 3"))


@dataclass(frozen=True)
class Line:
    """A named series of (x, y)."""

    name: str
    points: Sequence[tuple[float, float]]


def line_chart(title: str, x_label: str, y_label: str, lines: Sequence[Line], *, log_x: bool = False) -> str:
    """The chart as an SVG document. With `log_x` the x axis is logarithmic, and its marks are the points' own."""
    xs = [x for line in lines for x, _ in line.points]
    top = _above(max(y for line in lines for _, y in line.points))
    low, high = (log10(min(xs)), log10(max(xs))) if log_x else (0.0, max(xs))

    def place(x: float, y: float) -> tuple[float, float]:
        across = ((log10(x) if log_x else x) - low) / ((high - low) or 1)
        return (
            _LEFT + across * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT - _BOTTOM - y / top * (_HEIGHT - _TOP - _BOTTOM),
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(title)}" font-family="sans-serif" font-size="13">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<text x="{_LEFT}" y="24" font-size="16" font-weight="bold">{escape(title)}</text>',
        f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 12}" text-anchor="middle">{escape(x_label)}</text>',
        f'<text x="{_LEFT}" y="42" fill="#444">{escape(y_label)}</text>',
    ]
    for step in range(5):
        value = top * step / 4
        y = place(xs[0], value)[1]
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:,.4g}</text>')
    last = 0.0
    for x_value in sorted(set(xs)):
        x = place(x_value, 0)[0]
        if x - last < _APART:
            continue
        last = x
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{_short(x_value)}</text>')
    for line, (colour, dash) in zip(lines, _STYLES, strict=False):
        parts += _drawn(line, [place(x, y) for x, y in line.points], colour, dash)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _drawn(line: Line, places: list[tuple[float, float]], colour: str, dash: str) -> list[str]:
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places]
    x, y = places[-1]
    return [
        f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>',
        *dots,
        f'<text x="{x + 10:.1f}" y="{y + 4:.1f}" fill="{colour}">{escape(line.name)}</text>',
    ]


def _above(value: float) -> float:
    """The next of 1, 2, 3, 4, 5, 6, 8, 10 times a power of ten."""
    power = 10.0 ** floor(log10(value)) if value > 0 else 1.0
    return next(factor * power for factor in (1, 2, 3, 4, 5, 6, 8, 10) if factor * power >= value)


def _short(value: float) -> str:
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if value >= size and value % (size / 10) == 0:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
