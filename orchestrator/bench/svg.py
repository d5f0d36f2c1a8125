"""The pictures of a bench as SVG, written by hand: self-contained, without scripts, fonts or anything to be fetched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from .plot import Curve, Kind, Mark, Plot, tick_label, ticks
from .report import Calibration

WIDTH, HEIGHT = 760, 470
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 24, 54, 92
_SQUARE = 240
_FONT = "font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'"
# Okabe and Ito's palette (2008), which colour-blind readers can tell apart.
_CURVES = ("#0072B2", "#D55E00")
_FRONTIER, _REFERENCE, _MODEL = "#009E73", "#7a7a7a", "#222222"
_STRATEGY = "#CC79A7"
_NEAR_X, _NEAR_Y = 90.0, 13.0  # pixels: labels closer than this would run into each other


def picture(plots: Sequence[Plot]) -> str:
    """One picture under the other, as a whole SVG document."""
    height = HEIGHT * max(len(plots), 1)
    parts = (f"<g transform='translate(0 {HEIGHT * number})'>{_drawn(plot)}</g>" for number, plot in enumerate(plots))
    return _document(WIDTH, height, "".join(parts))


def reliability(calibration: Calibration) -> str:
    """A reliability diagram: the share of right answers in each bin, against the confidence in them."""
    left, top, size = 44, 34, _SQUARE
    most = max((found.answers for found in calibration.bins), default=1)

    def x(value: float) -> float:
        return left + value * size

    def y(value: float) -> float:
        return top + (1 - value) * size

    parts = [_text(left, 18, calibration.name, weight="bold"), _rect(left, top, size, size, fill="#fafafa")]
    for step in range(6):
        value = step / 5
        parts += [
            _line(x(value), top, x(value), top + size, "#e4e4e4"),
            _line(left, y(value), left + size, y(value), "#e4e4e4"),
        ]
        parts += [_text(x(value), top + size + 15, f"{value:.1f}", size=11, anchor="middle")]
        parts += [_text(left - 6, y(value) + 4, f"{value:.1f}", size=11, anchor="end")]
    parts.append(_line(x(0), y(0), x(1), y(1), _REFERENCE, dash="4 4"))
    for found in calibration.bins:
        width = (found.high - found.low) * size - 2
        shade = 0.25 + 0.65 * found.answers / most  # the more answers, the darker
        parts.append(
            _rect(x(found.low) + 1, y(found.outcome), width, found.outcome * size, fill=_CURVES[0], opacity=shade)
        )
        parts.append(
            _line(x(found.confidence), y(found.confidence) - 5, x(found.confidence), y(found.confidence) + 5, _MODEL, 2)
        )
    parts.append(
        _text(left + size / 2, top + size + 32, "confidence (ticks: its mean in a bin)", size=11, anchor="middle")
    )
    parts.append(_text(left, 31, "share of right answers", size=10, fill="#555"))
    return _document(left + size + 16, top + size + 42, "".join(parts))


def _drawn(plot: Plot) -> str:
    frame = _Frame(plot)
    return "".join(
        [
            _text(_LEFT, 22, plot.title, size=15, weight="bold"),
            *frame.axes(plot),
            *(_band(frame, curve, colour) for curve, colour in _coloured(plot.curves)),
            _path(frame, plot.frontier, _FRONTIER, 7, opacity=0.35),
            *(_path(frame, curve.points, colour, 2) for curve, colour in _coloured(plot.curves)),
            *(_error_bars(frame, mark) for mark in plot.marks),
            *(_symbol(frame, mark) for mark in plot.marks),
            *_labels(frame, plot.marks),
            *_legend(plot),
        ]
    )


class _Frame:
    """From the plot's numbers to pixels."""

    def __init__(self, plot: Plot) -> None:
        xs: list[float] = [value for mark in plot.marks for value in (mark.x, *(mark.x_range or ()))]
        ys: list[float] = [value for mark in plot.marks for value in (mark.y, *(mark.y_range or ()))]
        for curve in plot.curves:
            xs += [x for x, _ in curve.points]
            ys += [y for _, y in curve.points] + [edge for _, low, high in curve.band for edge in (low, high)]
        room = (max(ys) - min(ys)) * 0.06 or 0.01
        self.left, self.right = 0.0, 1.04 * (max(xs) or 1.0)
        self.bottom, self.top = min(ys) - room, max(ys) + room

    def x(self, value: float) -> float:
        return _LEFT + (value - self.left) / (self.right - self.left) * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return _TOP + (self.top - value) / (self.top - self.bottom) * (HEIGHT - _TOP - _BOTTOM)

    def axes(self, plot: Plot) -> Iterator[str]:
        across, up = ticks(self.left, self.right, 8), ticks(self.bottom, self.top, 7)
        bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
        for value in up:
            yield _line(_LEFT, self.y(value), right, self.y(value), "#e4e4e4")
            yield _text(_LEFT - 8, self.y(value) + 4, tick_label(value, _step(up)), size=12, anchor="end")
        for value in across:
            label = tick_label(value, _step(across), percent=not plot.x_is_cost)
            yield _line(self.x(value), bottom, self.x(value), bottom + 5, "#444")
            yield _text(self.x(value), bottom + 19, label, size=12, anchor="middle")
        yield _line(_LEFT, bottom, right, bottom, "#444") + _line(_LEFT, _TOP, _LEFT, bottom, "#444")
        yield _text(right, bottom + 37, plot.x_label, size=12, anchor="end", fill="#333")
        yield _text(_LEFT, _TOP - 8, plot.y_label, size=12, anchor="start", fill="#333")


def _coloured(curves: Sequence[Curve]) -> Iterable[tuple[Curve, str]]:
    return zip(curves, _CURVES, strict=False)


def _step(values: Sequence[float]) -> float:
    return values[1] - values[0] if len(values) > 1 else 1.0


def _band(frame: _Frame, curve: Curve, colour: str) -> str:
    there = [f"{frame.x(x):.1f},{frame.y(high):.1f}" for x, _, high in curve.band]
    back = [f"{frame.x(x):.1f},{frame.y(low):.1f}" for x, low, _ in reversed(curve.band)]
    return f"<polygon points='{' '.join(there + back)}' fill='{colour}' fill-opacity='0.12'/>" if there else ""


def _path(frame: _Frame, points: Sequence[tuple[float, float]], colour: str, width: float, opacity: float = 1) -> str:
    if len(points) == 1:  # a line of one point is not drawn
        x, y = points[0]
        round_it = f"r='10' fill='{colour}' fill-opacity='{opacity}'"
        return f"<circle cx='{frame.x(x):.1f}' cy='{frame.y(y):.1f}' {round_it}/>"
    places = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in points)
    return (
        f"<polyline points='{places}' fill='none' stroke='{colour}' stroke-width='{width}' stroke-opacity='{opacity}' "
        "stroke-linejoin='round' stroke-linecap='round'/>"
    )


def _colour(mark: Mark) -> str:
    return {Kind.MODEL: _MODEL, Kind.STRATEGY: _STRATEGY, Kind.REFERENCE: _REFERENCE}[mark.kind]


def _error_bars(frame: _Frame, mark: Mark) -> str:
    colour, x, y = _colour(mark), frame.x(mark.x), frame.y(mark.y)
    bars = ""
    if mark.y_range is not None:
        low, high = (frame.y(value) for value in mark.y_range)
        bars += (
            _line(x, low, x, high, colour, 1.3)
            + _line(x - 4, low, x + 4, low, colour)
            + _line(x - 4, high, x + 4, high, colour)
        )
    if mark.x_range is not None:
        low, high = (frame.x(value) for value in mark.x_range)
        bars += (
            _line(low, y, high, y, colour, 1.3)
            + _line(low, y - 4, low, y + 4, colour)
            + _line(high, y - 4, high, y + 4, colour)
        )
    return bars


def _symbol(frame: _Frame, mark: Mark) -> str:
    x, y, colour = frame.x(mark.x), frame.y(mark.y), _colour(mark)
    match mark.kind:
        case Kind.MODEL:
            return _rect(x - 5, y - 5, 10, 10, fill=colour, stroke="#fff")
        case Kind.STRATEGY:
            return f"<circle cx='{x:.1f}' cy='{y:.1f}' r='6' fill='{colour}' stroke='#fff'/>"
        case Kind.REFERENCE:
            corners = f"{x:.1f},{y - 7:.1f} {x + 7:.1f},{y:.1f} {x:.1f},{y + 7:.1f} {x - 7:.1f},{y:.1f}"
            return f"<polygon points='{corners}' fill='#fff' stroke='{colour}' stroke-width='2'/>"


def _labels(frame: _Frame, marks: Sequence[Mark]) -> Iterator[str]:
    """A name beside each mark, moved down where another stands already."""
    taken: list[tuple[float, float]] = []
    for mark in sorted(marks, key=lambda mark: frame.y(mark.y)):
        x, y = frame.x(mark.x), frame.y(mark.y) - 8
        while any(abs(x - other) < _NEAR_X and abs(y - height) < _NEAR_Y for other, height in taken):
            y += _NEAR_Y
        taken.append((x, y))
        at_the_edge = x > WIDTH - _RIGHT - 110
        yield _text(
            x - 10 if at_the_edge else x + 10,
            y,
            mark.name,
            size=12,
            anchor="end" if at_the_edge else "start",
            halo=True,
        )


def _legend(plot: Plot) -> Iterator[str]:
    x, y = float(_LEFT), HEIGHT - 24.0
    entries = [
        (f"{curve.name}, all thresholds (95% band)", colour, 2.0, 1.0) for curve, colour in _coloured(plot.curves)
    ]
    for name, colour, width, opacity in [*entries, ("Pareto frontier", _FRONTIER, 7.0, 0.35)]:
        yield (
            f"<line x1='{x}' y1='{y - 4}' x2='{x + 22}' y2='{y - 4}' stroke='{colour}' stroke-width='{width}' "
            f"stroke-opacity='{opacity}'/>"
        )
        yield _text(x + 28, y, name, size=12)
        x += 48 + 6.4 * len(name)


def _document(width: float, height: float, content: str) -> str:
    size = f"width='{width:g}' height='{height:g}' viewBox='0 0 {width:g} {height:g}'"
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' {size} {_FONT}>"
        f"<rect width='100%' height='100%' fill='#fff'/>{content}</svg>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1, dash: str = "") -> str:
    dashes = f" stroke-dasharray='{dash}'" if dash else ""
    ends = f"x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}'"
    return f"<line {ends} stroke='{colour}' stroke-width='{width}'{dashes}/>"


def _rect(
    x: float, y: float, width: float, height: float, *, fill: str, stroke: str = "none", opacity: float = 1
) -> str:
    place = f"x='{x:.1f}' y='{y:.1f}' width='{width:.1f}' height='{height:.1f}'"
    return f"<rect {place} fill='{fill}' fill-opacity='{opacity:.2f}' stroke='{stroke}'/>"


def _text(
    x: float,
    y: float,
    content: str,
    *,
    size: int = 13,
    anchor: str = "start",
    weight: str = "normal",
    fill: str = "#222",
    halo: bool = False,
) -> str:
    around = " stroke='#fff' stroke-width='3' paint-order='stroke'" if halo else ""
    look = f"font-size='{size}' text-anchor='{anchor}' font-weight='{weight}' fill='{fill}'{around}"
    return f"<text x='{x:.1f}' y='{y:.1f}' {look}>{escape(content)}</text>"
