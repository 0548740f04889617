"""The picture, as SVG: throughput on the left, latency at fixed rates on the right."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape

from benchmarks.compare import Comparison
from benchmarks.operations import OPERATIONS
from benchmarks.rates import Curves

WIDTH, HEIGHT = 1120, 470
TOP, BOTTOM = 70, 380
BARS = (70, 520)
"""Left and right edge of the first panel; those of the second follow."""
LINES = (620, 1090)
COLOURS = ("#0b6e4f", "#c9a227", "#e07a1f", "#c2255c", "#1864ab")
LONGEST = 1000.0
"""Milliseconds at the top of the latency axis."""

Scale = Callable[[float], float]


def draw(labels: Mapping[str, str], comparison: Comparison, curves: Curves) -> str:
    """Return the picture as an SVG text. `labels` are the servers' labels, by name."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" fill="#222">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        *_bars(list(labels), comparison),
        *_lines(list(labels), curves),
        *_legend(list(labels.values())),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _bars(servers: Sequence[str], comparison: Comparison) -> Iterable[str]:
    left, right = BARS
    highest = max(figures.per_second for figures in comparison.values())
    yield _text(left, 40, "Requests per second: one process, one core", size=15)
    yield _line(left, BOTTOM, right, BOTTOM)
    group = (right - left) / len(OPERATIONS)
    width = group * 0.8 / len(servers)
    for place, operation in enumerate(OPERATIONS):
        start = left + group * (place + 0.1)
        yield _text(start + group * 0.4, BOTTOM + 20, operation.name, anchor="middle")
        for index, server in enumerate(servers):
            value = comparison[server, operation.name].per_second
            x, y = start + index * width, BOTTOM - (BOTTOM - TOP) * value / highest
            yield (
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{width * 0.9:.1f}" height="{BOTTOM - y:.1f}"'
                f' fill="{_colour(index)}"/>'
            )
            yield _text(x + width * 0.45, y - 4, f"{value:.0f}", anchor="middle", size=10)


def _lines(servers: Sequence[str], curves: Curves) -> Iterable[str]:
    left, right = LINES
    rates = sorted({arrivals.asked for curve in curves.values() for arrivals in curve})
    lowest = min(arrivals.percentile(99) for curve in curves.values() for arrivals in curve)
    floor = 10.0 ** math.floor(math.log10(min(lowest, LONGEST / 10)))
    x = _logarithmic((rates[0], rates[-1]), (left, right))
    y = _logarithmic((floor, LONGEST), (BOTTOM, TOP))
    yield _text(left, 40, "99th percentile in ms at a fixed rate (Q1), until it cannot keep up", size=15)
    while floor <= LONGEST:
        yield _line(left, y(floor), right, y(floor), colour="#ddd")
        yield _text(left - 8, y(floor) + 4, f"{floor:g}", anchor="end")
        floor *= 10
    yield _line(left, BOTTOM, right, BOTTOM)
    for rate in rates[::2]:
        yield _text(x(rate), BOTTOM + 20, f"{rate:.0f}", anchor="middle", size=11)
    yield _text((left + right) / 2, BOTTOM + 38, "requests per second", anchor="middle")
    for index, server in enumerate(servers):
        points = [(x(arrivals.asked), y(arrivals.percentile(99))) for arrivals in curves[server]]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
        yield f'<polyline points="{path}" fill="none" stroke="{_colour(index)}" stroke-width="2.5"/>'
        yield from (f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{_colour(index)}"/>' for px, py in points)


def _logarithmic(values: tuple[float, float], pixels: tuple[float, float]) -> Scale:
    """Return a function that maps values to pixels, clamping values outside the range."""
    low, high = math.log(values[0]), math.log(values[1])

    def scale(value: float) -> float:
        share = (math.log(min(value, values[1])) - low) / max(high - low, 1e-9)
        return pixels[0] + (pixels[1] - pixels[0]) * max(share, 0.0)

    return scale


def _legend(labels: Sequence[str]) -> Iterable[str]:
    step = (WIDTH - 80) / len(labels)
    for index, label in enumerate(labels):
        x = 40 + step * index
        yield f'<rect x="{x:.1f}" y="{HEIGHT - 30}" width="12" height="12" fill="{_colour(index)}"/>'
        yield _text(x + 18, HEIGHT - 19, label, size=12)


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, *, colour: str = "#888") -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]
