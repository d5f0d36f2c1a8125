"""The cost-quality picture in characters, all of them ASCII: as wide as the terminal, and the same when piped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from .plot import Kind, Plot, tick_label, ticks

_ROWS = 17
_WIDEST = 100  # wider than that it only gets flat
_MARGIN = 7  # for the labels of the vertical axis
_CURVES = ".,"
_LETTERS = {Kind.MODEL: "ABCDEFGHIJ", Kind.STRATEGY: "123456789", Kind.REFERENCE: "xo"}


def chart(plot: Plot, width: int) -> Iterator[str]:
    """The lines of the picture, `width` characters at most, and under it what the signs mean."""
    if not plot.marks:
        return
    columns = max(20, min(width, _WIDEST) - _MARGIN - 2)
    area = _Area(plot, columns)
    for curve, sign in zip(plot.curves, _CURVES, strict=False):
        area.line(curve.points, sign)
    area.line(plot.frontier, "*", joined=False)
    signs: list[tuple[str, str]] = []
    used = dict.fromkeys(Kind, 0)
    for mark in plot.marks:
        letters = _LETTERS[mark.kind]
        sign = letters[min(used[mark.kind], len(letters) - 1)]
        used[mark.kind] += 1
        there = area.mark(mark.x, mark.y, sign)
        signs.append((sign, mark.name if there == sign else f"{mark.name} (at {there})"))
    yield plot.y_label
    yield from area.lines(plot)
    signs += [(sign, f"{curve.name}, all thresholds") for curve, sign in zip(plot.curves, _CURVES, strict=False)]
    yield from _wrapped([f"{sign} {name}" for sign, name in [*signs, ("*", "Pareto frontier")]], width)


class _Area:
    """The cells of the plotting area, and where a point of the plot falls in it."""

    def __init__(self, plot: Plot, columns: int) -> None:
        xs = [mark.x for mark in plot.marks] + [x for curve in plot.curves for x, _ in curve.points]
        ys = [mark.y for mark in plot.marks] + [y for curve in plot.curves for _, y in curve.points]
        self.left, self.right = 0.0, max(xs) or 1.0
        room = (max(ys) - min(ys)) * 0.05 or 0.01
        self.bottom, self.top = min(ys) - room, max(ys) + room
        self.columns = columns
        self._cells = [[" "] * columns for _ in range(_ROWS)]
        self._marks: dict[tuple[int, int], str] = {}

    def mark(self, x: float, y: float, sign: str) -> str:
        """Put a sign where there is no other yet; gives the one that is there afterwards."""
        place = self._row(y), self._column(x)
        self._cells[place[0]][place[1]] = self._marks.setdefault(place, sign)
        return self._marks[place]

    def put(self, x: float, y: float, sign: str) -> None:
        self._cells[self._row(y)][self._column(x)] = sign

    def line(self, points: Sequence[tuple[float, float]], sign: str, *, joined: bool = True) -> None:
        for x, y in points:
            self.put(x, y, sign)
        for (x1, y1), (x2, y2) in pairwise(points) if joined else ():
            steps = max(abs(self._column(x2) - self._column(x1)), 1)
            for step in range(steps + 1):
                self.put(x1 + (x2 - x1) * step / steps, y1 + (y2 - y1) * step / steps, sign)

    def lines(self, plot: Plot) -> Iterator[str]:
        marked = ticks(self.bottom, self.top, 5)
        step = marked[1] - marked[0] if len(marked) > 1 else 0.01
        labels = {self._row(value): tick_label(value, step) for value in marked}
        for number, row in enumerate(self._cells):
            label = labels.get(number, "")
            yield f"{label:>{_MARGIN - 1}} {'+' if label else '|'}{''.join(row)}".rstrip()
        yield from self._across(plot)

    def _across(self, plot: Plot) -> Iterator[str]:
        marked = ticks(self.left, self.right, 6)
        step = marked[1] - marked[0] if len(marked) > 1 else 1.0
        rule, labels = ["-"] * self.columns, [" "] * (self.columns + _MARGIN)
        for value in marked:
            column, label = self._column(value), tick_label(value, step, percent=not plot.x_is_cost)
            rule[column] = "+"
            start = min(max(0, column - len(label) // 2), self.columns - len(label))
            labels[start : start + len(label)] = label
        yield f"{'':>{_MARGIN}}+{''.join(rule)}"
        yield f"{'':>{_MARGIN + 1}}{''.join(labels)}".rstrip()
        yield f"{plot.x_label:>{_MARGIN + 1 + self.columns}}"

    def _column(self, x: float) -> int:
        return round((x - self.left) / (self.right - self.left) * (self.columns - 1))

    def _row(self, y: float) -> int:
        return round((self.top - y) / (self.top - self.bottom) * (_ROWS - 1))


def _wrapped(parts: Sequence[str], width: int) -> Iterator[str]:
    line = ""
    for part in parts:
        if line and len(line) + len(part) + 3 > width:
            yield line
            line = ""
        line = f"{line}   {part}" if line else part
    yield line
