"""Charts as inline SVG: numbers in, markup out. No script, no style attribute; colours come from the style sheet.

All but the sunburst are drawn in a box WIDTH wide, and all scale with the page. Texts are escaped; long ones are cut
(the table beside a chart has them whole).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from synth.stages.report.blocks import show

WIDTH = 440
LABEL_WIDTH = 146
DISC = 560
ROW = 26
NUM_COLOURS = 8


def svg(title: str, height: float, *shapes: Markup, width: int = WIDTH) -> Markup:
    """A whole chart with its name for screen readers."""
    start = Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
        width, round(height), show(title, 120)
    )
    return start + Markup("").join(shapes) + Markup("</svg>")


def text(
    x: float, y: float, content: object, css: str = "", anchor: str = "start", room: float = LABEL_WIDTH - 12
) -> Markup:
    """A line of text, cut where it would need more than `room`."""
    shape = Markup('<text x="{}" y="{}" class="{}" text-anchor="{}">{}</text>')
    return shape.format(_number(x), _number(y), css, anchor, _short(str(content), room))


def rect(x: float, y: float, width: float, height: float, css: str, hint: str) -> Markup:
    """A filled box; `hint` is shown when the pointer rests on it."""
    box = Markup('<rect x="{}" y="{}" width="{}" height="{}" class="{}"><title>{}</title></rect>')
    return box.format(_number(x), _number(y), _number(max(width, 0)), _number(height), css, show(hint, 120))


def line(x1: float, y1: float, x2: float, y2: float, css: str = "axis") -> Markup:
    """A straight line."""
    return Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" class="{}"/>').format(*map(_number, (x1, y1, x2, y2)), css)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _tick(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _short(label: str, room: float = LABEL_WIDTH - 12) -> str:
    """A label cut to `room`, by the width its letters have at the largest size they are drawn in."""
    label = " ".join(show(label, 200).split())
    used, widths = 0.0, [_letter_width(letter) for letter in label]
    for number, width in enumerate(widths):
        used += width
        if used > room:
            while number and used > room - 10:
                used -= widths[number]
                number -= 1
            return label[: number + 1] + "…"
    return label


def _letter_width(letter: str) -> float:
    if letter in "ilj.,:;'|! ()[]tfr":
        return 5.2
    if letter in "mwMW@%—" or ord(letter) > 0x2E80:
        return 13.5
    return 9.2 if letter.isupper() or letter in "<>=+&#" else 7.9


def bars(title: str, rows: Sequence[tuple[str, Mapping[str, float]]], unit: str = "", colour: int = 0) -> Markup:
    """Horizontal bars, one for each row; a row's parts (part -> length) lie end to end and share their colours."""
    parts = list(dict.fromkeys(part for _, values in rows for part in values))
    longest = max((sum(values.values()) for _, values in rows), default=0) or 1
    scale = (WIDTH - LABEL_WIDTH - 70) / longest
    shapes = _legend(parts) if len(parts) > 1 else []
    top = 24 if len(parts) > 1 else 0
    for number, (label, values) in enumerate(rows):
        y, x = top + number * ROW, float(LABEL_WIDTH)
        shapes.append(text(LABEL_WIDTH - 8, y + 17, label, anchor="end"))
        for part, value in values.items():
            css = f"c{(parts.index(part) + colour) % NUM_COLOURS}"
            shapes.append(rect(x, y + 3, value * scale, ROW - 6, css, f"{label}, {part}: {value:g}{unit}"))
            x += value * scale
        shapes.append(text(x + 6, y + 17, f"{_tick(sum(values.values()))}{unit}", "dim"))
    return svg(title, top + len(rows) * ROW + 4, *shapes)


def _legend(parts: Sequence[str]) -> list[Markup]:
    shapes, x = [], float(LABEL_WIDTH)
    for number, part in enumerate(parts):
        shapes += [rect(x, 4, 12, 12, f"c{number % NUM_COLOURS}", part), text(x + 17, 15, part)]
        x += 36 + sum(map(_letter_width, _short(part)))
    return shapes


def histogram(title: str, bins: Sequence[tuple[str, Mapping[str, float]]], x_label: str) -> Markup:
    """Upright bars; a bin's series stand side by side. A label is written under as many bins as have room for it."""
    series = list(dict.fromkeys(name for _, values in bins for name in values))
    height, left, bottom, top = 220, 46, 40, 24 if len(series) > 1 else 8
    highest = max((value for _, values in bins for value in values.values()), default=0) or 1
    step = (WIDTH - left - 8) / max(len(bins), 1)
    scale = (height - bottom - top) / highest
    shapes = _legend(series) if len(series) > 1 else []
    for share in (0, 0.5, 1):
        y = height - bottom - share * highest * scale
        shapes += [
            line(left, y, WIDTH - 8, y),
            text(left - 6, y + 4, _tick(share * highest), "dim", "end"),
        ]
    wide = max((len(label) for label, _ in bins), default=1)
    every = max(1, math.ceil(wide * 9.5 / step))
    for number, (label, values) in enumerate(bins):
        x = left + number * step
        for place, (name, value) in enumerate(values.items()):
            width = (step - 2) / len(values)
            tall = value * scale
            css = f"c{series.index(name) % NUM_COLOURS}"
            shapes.append(rect(x + 1 + place * width, height - bottom - tall, width, tall, css, f"{label}: {value:g}"))
        if number % every == 0:
            shapes.append(text(x + step / 2, height - bottom + 16, label, "dim", "middle"))
    shapes.append(text((WIDTH + left) / 2, height - 6, x_label, "", "middle", WIDTH - left))
    return svg(title, height, *shapes)


def sunburst(title: str, groups: Sequence[tuple[str, Sequence[tuple[str, int]]]]) -> Markup:
    """Two rings: groups inside, their members outside, each as wide as its count. Narrow slices get no label."""
    total = sum(count for _, members in groups for _, count in members) or 1
    shapes, angle = [], -math.pi / 2
    for number, (name, members) in enumerate(groups):
        size = sum(count for _, count in members)
        span, css = 2 * math.pi * size / total, f"s{number % NUM_COLOURS}"
        shapes += _slice(70, 160, angle, angle + span, css, name, f"{name}: {size}")
        inner = angle
        for member, count in members:
            part = 2 * math.pi * count / total
            shapes += _slice(162, 270, inner, inner + part, f"{css} outer", member, f"{name} {member}: {count}")
            inner += part
        angle += span
    return svg(title, DISC, *shapes, width=DISC)


def _slice(near: float, far: float, start: float, end: float, css: str, label: str, hint: str) -> list[Markup]:
    """A ring's slice from angle `start` to `end` (radians), with its label along the middle where it fits."""
    centre = DISC / 2
    end = min(end, start + 2 * math.pi - 1e-4)

    def at(radius: float, angle: float) -> str:
        return f"{centre + radius * math.cos(angle):.1f} {centre + radius * math.sin(angle):.1f}"

    large = int(end - start > math.pi)
    path = f"M{at(near, start)} L{at(far, start)} A{far} {far} 0 {large} 1 {at(far, end)} L{at(near, end)}"
    path += f" A{near} {near} 0 {large} 0 {at(near, start)} Z"
    shapes = [Markup('<path d="{}" class="{}"><title>{}</title></path>').format(path, css, show(hint, 80))]
    middle, radius = (start + end) / 2, (near + far) / 2
    if (end - start) * radius < 13:
        return shapes
    turn = math.degrees(middle)
    turn = turn + 180 if math.cos(middle) < 0 else turn
    x, y = (float(value) for value in at(radius, middle).split())
    spin = f"rotate({turn:.1f} {x:.1f} {y:.1f})"
    words = Markup('<text x="{}" y="{}" dy="4" class="{}" text-anchor="middle" transform="{}">{}</text>')
    return [
        *shapes,
        words.format(_number(x), _number(y), css.replace(css.split()[0], "onslice"), spin, _short(label, 92)),
    ]


def lines(
    title: str, series: Mapping[str, Sequence[float]], x_labels: tuple[str, str], marks: Sequence[float] = ()
) -> Markup:
    """Curves over equal steps from left to right, to one scale; `marks` (shares 0..1 of the way) are ticks on top."""
    height, left, bottom, top = 220, 46, 30, 26
    highest = max((value for values in series.values() for value in values), default=0) or 1
    lowest = min([0, *(value for values in series.values() for value in values)])
    width, tall = WIDTH - left - 8, height - bottom - top
    shapes = _legend(list(series)) if len(series) > 1 else []
    for share in (0, 0.5, 1):
        y = height - bottom - share * tall
        shapes += [
            line(left, y, WIDTH - 8, y),
            text(left - 6, y + 4, _tick(lowest + share * (highest - lowest)), "dim", "end"),
        ]
    for number, values in enumerate(series.values()):
        step = width / max(len(values) - 1, 1)
        points = " ".join(
            f"{left + i * step:.1f},{height - bottom - (v - lowest) / (highest - lowest) * tall:.1f}"
            for i, v in enumerate(values)
        )
        shapes.append(Markup('<polyline points="{}" class="l{}"/>').format(points, number % NUM_COLOURS))
    shapes += [line(left + mark * width, top - 6, left + mark * width, top + 4, "tick") for mark in marks]
    shapes += [text(left, height - 8, x_labels[0], "dim"), text(WIDTH - 8, height - 8, x_labels[1], "dim", "end")]
    return svg(title, height, *shapes)


def intervals(title: str, rows: Sequence[tuple[str, float, float, float]], low: float, high: float) -> Markup:
    """Points with their intervals, one a row: (label, value, low end, high end), on an axis from `low` to `high`."""
    span = (high - low) or 1

    def x(value: float) -> float:
        return LABEL_WIDTH + (min(max(value, low), high) - low) / span * (WIDTH - LABEL_WIDTH - 70)

    shapes = []
    for number, (label, value, start, end) in enumerate(rows):
        y = number * ROW + 14
        shapes += [text(LABEL_WIDTH - 8, y + 4, label, anchor="end"), line(x(start), y, x(end), y, "whisker")]
        dot = Markup('<circle cx="{}" cy="{}" r="5" class="c0"><title>{}</title></circle>')
        shapes.append(dot.format(_number(x(value)), y, f"{show(label, 80)}: {value:.3g}"))
        shapes.append(text(x(end) + 8, y + 4, f"{value:.3g}", "dim"))
    y = len(rows) * ROW + 6
    shapes.append(line(LABEL_WIDTH, y, WIDTH - 70, y))
    for value in (low, (low + high) / 2, high):
        shapes.append(text(x(value), y + 16, f"{value:.3g}", "dim", "middle"))
    return svg(title, y + 24, *shapes)
