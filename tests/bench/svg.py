"""Bar charts as SVG: small, without a background, in colours that are read on a dark
page and on a light one."""

import math
from xml.sax.saxutils import escape

BAR, GAP, TOP, BOTTOM = 16, 8, 62, 40
LABELS, PANEL, SPACE = 150, 300, 40
STYLE = """
text { font: 12px sans-serif; fill: #333 }
.title { font-size: 15px; font-weight: bold }
.tick, .value { font-size: 11px; fill: #666 }
.grid { stroke: #8886; stroke-width: 1 }
.bar { fill: #8a97a6 } .ours { fill: #2f7dd1 }
.whisker { stroke: #111; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #ddd } .tick, .value { fill: #aaa } .whisker { stroke: #fff }
}"""


def ticks(most, wanted=4):
    """Round numbers from 0 on to `most` or just over it."""
    if most <= 0:
        return [0, 1]
    raw = most / wanted
    power = 10 ** math.floor(math.log10(raw))
    step = next(f * power for f in (1, 2, 2.5, 5, 10) if f * power >= raw * (1 - 1e-9))
    count = math.ceil(most / step * (1 - 1e-9))
    return [i * step for i in range(count + 1)]


def number(value):
    """Three digits that matter, thousands apart."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = "{:,.{}f}".format(value, digits)
    return text.rstrip("0").rstrip(".") if "." in text else text


class _Canvas:
    def __init__(self):
        self.parts = []

    def text(self, x, y, words, cls="", anchor="start"):
        self.parts.append('<text x="%.1f" y="%.1f" class="%s" text-anchor="%s">%s</text>' % (
            x, y, cls, anchor, escape(words)))

    def line(self, x1, y1, x2, y2, cls):
        self.parts.append('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="%s"/>' % (
            x1, y1, x2, y2, cls))

    def bar(self, x, y, width, height, cls, hint):
        self.parts.append('<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" class="%s">'
                          "<title>%s</title></rect>" % (x, y, width, height, cls, escape(hint)))


def _panel(canvas, x, heading, rows, bottom):
    """rows: [(label, (first quartile, median, third quartile) or None)]"""
    known = [values for _, values in rows if values]
    marks = ticks(max((v[2] for v in known), default=0))
    scale = (PANEL - 50) / marks[-1]
    canvas.text(x, TOP - 14, heading)
    for mark in marks:
        canvas.line(x + mark * scale, TOP - 6, x + mark * scale, bottom, "grid")
        canvas.text(x + mark * scale, bottom + 15, number(mark), "tick", "middle")
    y = TOP
    for label, values in rows:
        if values:
            first, median, third = values
            ours = "bar ours" if label.startswith("weir") else "bar"
            canvas.bar(x, y, max(0, median * scale), BAR, ours, "%s: %s (middle half %s to %s)" % (
                label, number(median), number(first), number(third)))
            middle = y + BAR / 2
            canvas.line(x + first * scale, middle, x + third * scale, middle, "whisker")
            for end in (first, third):
                canvas.line(x + end * scale, middle - 4, x + end * scale, middle + 4, "whisker")
            canvas.text(x + max(median, third) * scale + 5, y + BAR - 4, number(median), "value")
        y += BAR + GAP


def chart(title, labels, panels):
    """Horizontal bars, one a label, in panels side by side: [(heading with its unit,
    [(first quartile, median, third quartile) or None, ...]), ...]. Whiskers are the
    middle half."""
    canvas = _Canvas()
    bottom = TOP + len(labels) * (BAR + GAP)
    width = LABELS + len(panels) * (PANEL + SPACE)
    height = bottom + BOTTOM
    canvas.text(10, 22, title, "title")
    for i, label in enumerate(labels):
        canvas.text(LABELS - 10, TOP + i * (BAR + GAP) + BAR - 4, label, "", "end")
    for i, (heading, values) in enumerate(panels):
        _panel(canvas, LABELS + i * (PANEL + SPACE), heading, list(zip(labels, values)), bottom)
    return ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" '
            'viewBox="0 0 %d %d" role="img">\n<title>%s</title>\n<style>%s</style>\n%s\n</svg>\n' % (
                width, height, width, height, escape(title), STYLE, "\n".join(canvas.parts)))
