"""What the pictures are drawn with: SVG documents that need nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from textwrap import wrap

INK, FAINT, GRID, STRIPE = "#1f2933", "#5b6773", "#dde3e9", "#f5f7f9"
HOST, CHILD = "#2f6db5", "#1f7a54"
BAD, UNKNOWN = "#b3372f", "#b5811c"
LETTER = 7.0
"""How wide a letter of 12 pixels is, on the whole."""


def document(width: int, height: int, title: str, parts: Iterable[str]) -> str:
    """Return a document with a heading."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        f' font-family="DejaVu Sans, Verdana, sans-serif" font-size="12" fill="{INK}">'
    )
    page = f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    return "\n".join(
        [head, f"<title>{escape(title)}</title>", page, text(24, 34, title, size=17, bold=True), *parts, "</svg>\n"]
    )


def text(
    x: float, y: float, words: str, *, size: float = 12, colour: str = INK, bold: bool = False, anchor: str = "start"
) -> str:
    """Return one line of text; y is that of the line that its letters stand on."""
    weight = ' font-weight="bold"' if bold else ""
    place = f'x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{colour}" text-anchor="{anchor}"{weight}'
    return f"<text {place}>{escape(words)}</text>"


def lines(
    x: float, y: float, words: str, width: float, *, size: float = 12, colour: str = INK, most: int = 99
) -> list[str]:
    """Return a text of as many lines as the width asks for, at most so many."""
    rows = wrap(words, int(width / (LETTER * size / 12)), break_on_hyphens=False)
    if len(rows) > most:
        rows = [*rows[: most - 1], f"{rows[most - 1]} ..."]
    return [text(x, y + number * size * 1.35, row, size=size, colour=colour) for number, row in enumerate(rows)]


def box(x: float, y: float, width: float, height: float, colour: str, *, round: float = 0, edge: str = "none") -> str:
    """Return a filled rectangle."""
    place = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{round:g}"'
    return f'<rect {place} fill="{colour}" stroke="{edge}"/>'


def path(points: Iterable[tuple[float, float]], colour: str, *, thick: float = 1, dashes: str = "none") -> str:
    """Return a line through points."""
    way = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (
        f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="{thick:g}" stroke-dasharray="{dashes}"/>'
    )


def area(points: Iterable[tuple[float, float]], colour: str) -> str:
    """Return a filled polygon."""
    way = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polygon points="{way}" fill="{colour}"/>'


def dot(x: float, y: float, radius: float, colour: str) -> str:
    """Return a filled circle."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{colour}"/>'
