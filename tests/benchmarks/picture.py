"""Draw throughput and latency by the number of clients, as SVG."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.delays import Far

WIDTH, HEIGHT = 1120, 470
TOP, BOTTOM = 70, 380
LEFT_PANEL = (80, 530)
"""Left and right edge."""
RIGHT_PANEL = (640, 1090)
COLOURS = ("#0b6e4f", "#c9a227", "#e07a1f", "#c2255c", "#1864ab", "#5f3dc4")
IDEAL = "#999"

Scale = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class _Panel:
    title: str
    edges: tuple[int, int]
    clients: Sequence[int]
    curves: list[list[float]]
    """One for each server, with a value for each number of clients."""
    ideal: list[float]

    def draw(self) -> Iterator[str]:
        left, right = self.edges
        values = [value for curve in [*self.curves, self.ideal] for value in curve if 0 < value < math.inf]
        decades = range(math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))) + 1)
        x = _logarithmic((self.clients[0], self.clients[-1]), (left, right))
        y = _logarithmic((10.0 ** decades[0], 10.0 ** decades[-1]), (BOTTOM, TOP))
        yield _text(left, 40, self.title, size=15)
        for decade in decades:
            yield _line(left, y(10.0**decade), right, y(10.0**decade), colour="#ddd")
            yield _text(left - 8, y(10.0**decade) + 4, f"{10.0**decade:g}", anchor="end")
        for count in self.clients:
            yield _text(x(count), BOTTOM + 20, str(count), anchor="middle", size=11)
        yield _text((left + right) / 2, BOTTOM + 38, "clients", anchor="middle")
        yield from _curve(self.clients, self.ideal, x, y, IDEAL)
        for index, curve in enumerate(self.curves):
            yield from _curve(self.clients, curve, x, y, _colour(index))


def draw(far: Far) -> str:
    """Return the picture as an SVG text."""
    loads = [far.of(server) for server in far.servers]
    delay = far.delay * 1000
    where = f"REST API over TLS, {delay:.0f} ms"
    throughput = _Panel(
        f"Requests per second ({far.operation.name}; {where})",
        LEFT_PANEL,
        far.clients,
        [[load.per_second for load in curve] for curve in loads],
        [count / far.delay for count in far.clients] if far.delay else [],
    )
    latency = _Panel(
        "99th percentile in ms",
        RIGHT_PANEL,
        far.clients,
        [[load.p99 for load in curve] for curve in loads],
        [delay for _ in far.clients] if far.delay else [],
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" fill="#222">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        *throughput.draw(),
        *latency.draw(),
        *_legend([server.label for server in far.servers]),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _curve(clients: Sequence[int], values: Sequence[float], x: Scale, y: Scale, colour: str) -> Iterator[str]:
    points = [(x(count), y(value)) for count, value in zip(clients, values, strict=False)]
    path = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
    dashes = ' stroke-dasharray="4"' if colour == IDEAL else ""
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"{dashes}/>'
    if colour != IDEAL:
        yield from (f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{colour}"/>' for px, py in points)


def _logarithmic(values: tuple[float, float], pixels: tuple[float, float]) -> Scale:
    """Return a function that maps values to pixels, clamping values outside the range."""
    low, high = math.log(values[0]), math.log(values[1])

    def scale(value: float) -> float:
        share = (math.log(max(min(value, values[1]), values[0])) - low) / max(high - low, 1e-9)
        return pixels[0] + (pixels[1] - pixels[0]) * share

    return scale


def _legend(labels: Sequence[str]) -> Iterator[str]:
    entries = [*((label, _colour(index)) for index, label in enumerate(labels)), ("ideal: the delay alone", IDEAL)]
    step = (WIDTH - 80) / len(entries)
    for index, (label, colour) in enumerate(entries):
        x = 40 + step * index
        yield f'<rect x="{x:.1f}" y="{HEIGHT - 30}" width="12" height="12" fill="{colour}"/>'
        yield _text(x + 18, HEIGHT - 19, label, size=12)


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, *, colour: str = "#888") -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]
