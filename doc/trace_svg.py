#!/usr/bin/env python3
"""Draws a part of a trace of vm_options.trace as an SVG picture.

Usage: trace_svg.py TRACE.json FROM_MS TO_MS > PICTURE.svg

doc/trace.svg shows an example that counts the words of the tests:
    VIMAP_WORKERS=3 VIMAP_TRACE=trace.json examples/wordcount tests/*/*.c
    doc/trace_svg.py trace.json 0 28 > doc/trace.svg
"""
import json
import sys
from html import escape

WIDTH, LABEL, ROW, GAP, TOP = 960, 110, 26, 8, 24
KINDS = [  # beginning of the name, colour, words of the legend
    ("setup", "#8ab", "setup"),
    ("item", "#6b4", "items"),
    ("teardown", "#a9c", "teardown"),
    ("waits", "#ddd", "the caller waits"),
    ("sources", "#ec6", "sources"),
    ("program", "#fb8", "the program"),
]
MARKS = {"death": "#c22", "retry": "#e80", "forked": "#284",
         "timeout": "#808", "failed": "#c22"}
COUNTERS = ["chunks sent", "chunks in flight", "bytes in flight"]


def colour(event):
    if event.get("args", {}).get("ended"):
        return "#d55"
    for begin, value, _ in KINDS:
        if event["name"].startswith(begin):
            return value
    return "#999"


class Picture:
    def __init__(self, events, start, end):
        self.events, self.start, self.end = events, start, end
        self.out = []

    def x(self, us):
        part = (us / 1000 - self.start) / (self.end - self.start)
        return LABEL + min(max(part, 0), 1) * (WIDTH - LABEL - 10)

    def add(self, text):
        self.out.append(text)

    def text(self, x, y, words, size=11, anchor="start"):
        self.add(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" '
                 f'text-anchor="{anchor}">{escape(words)}</text>')

    def inside(self, event):
        return (event["ts"] / 1000 < self.end and
                (event["ts"] + event.get("dur", 0)) / 1000 >= self.start)

    def slice(self, event, y):
        left = self.x(event["ts"])
        width = max(self.x(event["ts"] + event["dur"]) - left, 1)
        title = escape(event["name"] + " " +
                       event.get("args", {}).get("ended", ""))
        self.add(f'<rect x="{left:.1f}" y="{y}" width="{width:.1f}" '
                 f'height="{ROW}" fill="{colour(event)}" stroke="#fff" '
                 f'stroke-width="0.5"><title>{title}</title></rect>')
        if width > 6 * len(event["name"]):
            self.text(left + 3, y + ROW - 9, event["name"])

    def mark(self, event, y):
        at = self.x(event["ts"])
        self.add(f'<path d="M{at:.1f} {y + ROW} l-4 8 h8 z" fill="'
                 f'{MARKS.get(event["name"], "#555")}"><title>'
                 f'{escape(event["name"])}</title></path>')

    def counter(self, name, y):
        points = [(e["ts"], e["args"]["value"]) for e in self.events
                  if e["ph"] == "C" and e["name"] == name]
        most = max([v for t, v in points if t / 1000 <= self.end] + [1])
        path, last = f"M{LABEL} {y + ROW}", 0
        for at, value in points:
            if at / 1000 <= self.end:
                path += (f" L{self.x(at):.1f} {y + ROW - ROW * last / most:.1f}"
                         f" V{y + ROW - ROW * value / most:.1f}")
                last = value
        path += f" H{self.x(self.end * 1000):.1f} V{y + ROW} Z"
        self.add(f'<path d="{path}" fill="#9bd"/>')
        self.text(4, y + ROW - 9, f"{name}: {most}", 9)

    def legend(self, y):
        x = LABEL
        for _, fill, words in KINDS + [("", "#d55", "items that died")]:
            self.add(f'<rect x="{x}" y="{y}" width="12" height="12" '
                     f'fill="{fill}"/>')
            self.text(x + 16, y + 10, words)
            x += 30 + 6.5 * len(words)
        x, y = LABEL, y + 20
        for words, fill in MARKS.items():
            self.add(f'<path d="M{x + 4} {y} l-4 8 h8 z" fill="{fill}"/>')
            self.text(x + 14, y + 9, words)
            x += 40 + 6.5 * len(words)

    def draw(self):
        tracks = {e["tid"]: e["args"]["name"] for e in self.events
                  if e["name"] == "thread_name"}
        y = TOP
        for tid in sorted(tracks):
            self.text(4, y + ROW - 9, tracks[tid])
            for event in self.events:
                if event["tid"] == tid and self.inside(event):
                    if event["ph"] == "X":
                        self.slice(event, y)
                    elif event["ph"] == "i":
                        self.mark(event, y)
            y += ROW + 2 * GAP
        for name in COUNTERS:
            self.counter(name, y)
            y += ROW + GAP
        step = (self.end - self.start) / 7
        for i in range(8):
            at = self.start + i * step
            self.text(self.x(at * 1000), 14, f"{at:g} ms", 10, "middle")
        self.legend(y + 4)
        return y + 48


def main():
    with open(sys.argv[1], encoding="ascii") as file:
        events = json.load(file)
    picture = Picture(events, float(sys.argv[2]), float(sys.argv[3]))
    height = picture.draw()
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
          f'height="{height}" viewBox="0 0 {WIDTH} {height}" '
          'font-family="sans-serif">')
    print(f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>')
    print("\n".join(picture.out))
    print("</svg>")


if __name__ == "__main__":
    main()
